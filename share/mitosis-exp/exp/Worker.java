// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
// The process that holds a function in Java: see foreign.py, which starts it and tells it what to do.
//
//     java -cp CLASSES Worker FILE.java
//
// The file has a class Function with static Object handler(Map<String, Object> event), and perhaps makeInput likewise.
import java.io.ByteArrayOutputStream;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

public class Worker {
    // Not System.in: what that has read already would be a child's as well.
    private static final FileInputStream in = new FileInputStream(FileDescriptor.in);
    private static final FileOutputStream out = new FileOutputStream(FileDescriptor.out);
    private static final Map<String, Object> times = new LinkedHashMap<>();
    private static String path;
    private static Map<String, Object> event;
    private static Object expected;

    // It waits in a read(2): a child goes on there, with a standard input of its own.
    private static String readLine() throws IOException {
        ByteArrayOutputStream line = new ByteArrayOutputStream();
        byte[] buffer = new byte[65536];
        for (;;) {
            int n = in.read(buffer);
            if (n < 0)
                System.exit(0);
            line.write(buffer, 0, n);
            if (n > 0 && buffer[n - 1] == '\n')
                return line.toString(StandardCharsets.UTF_8);
        }
    }

    private static void write(Map<String, Object> answer) throws IOException {
        out.write((Json.write(answer) + "\n").getBytes(StandardCharsets.UTF_8));
    }

    private static long residentBytes() throws IOException {
        return Long.parseLong(Files.readString(Path.of("/proc/self/statm")).split(" ")[1]) * 4096;
    }

    private static Map<String, Object> call(long first) throws IOException {
        Map<String, Object> answer = new LinkedHashMap<>(times);
        long begin = System.nanoTime();
        Object result = Function.handler(event);
        answer.put("end", System.nanoTime());
        answer.put("begin", begin);
        answer.put("first", first);
        if (expected == null)
            expected = result;
        answer.put("result", result);
        answer.put("expected", expected);
        answer.put("path", path);
        answer.put("branch", 0);
        answer.put("rss", residentBytes());
        return answer;
    }

    private static Object makeInput() throws ReflectiveOperationException {
        return Function.class.getDeclaredMethod("makeInput", Map.class).invoke(null, event);
    }

    @SuppressWarnings("unchecked")
    private static void answer(Map<String, Object> order, long first, long begun) throws Exception {
        switch ((String) order.get("do")) {
        case "begin":
            times.put("import_begin", System.nanoTime());
            Class.forName("Function");
            times.put("import_end", System.nanoTime());
            event = (Map<String, Object>) order.get("event");
            if (order.get("call") == Boolean.TRUE) {
                write(call(first));
            } else {
                Map<String, Object> answer = new LinkedHashMap<>(times);
                answer.put("first", first);
                write(answer);
            }
            break;
        case "input":
            Map<String, Object> answer = new LinkedHashMap<>();
            answer.put("input", makeInput());
            write(answer);
            break;
        default:
            write(call(begun));
        }
    }

    public static void main(String[] arguments) throws IOException {
        long first = System.nanoTime();
        System.setOut(System.err);      // what the function prints
        path = arguments[0];
        for (;;) {
            Map<String, Object> order = Json.object(readLine());
            long begun = System.nanoTime();
            try {
                answer(order, first, begun);
            } catch (Exception | LinkageError error) {
                Map<String, Object> answer = new LinkedHashMap<>();
                answer.put("error", (path + ": " + error).replaceAll("\\s+", " "));
                write(answer);
            }
        }
    }
}

/** Maps, lists, texts, numbers (Long or Double), Booleans and null, to JSON and back. */
class Json {
    private final String text;
    private int at;

    private Json(String text) {
        this.text = text;
    }

    static Object read(String text) {
        Json json = new Json(text);
        Object value = json.value();
        json.skip();
        if (json.at != text.length())
            throw json.wrong();
        return value;
    }

    @SuppressWarnings("unchecked")
    static Map<String, Object> object(String text) {
        return (Map<String, Object>) read(text);
    }

    private IllegalArgumentException wrong() {
        return new IllegalArgumentException("not JSON at character " + at);
    }

    private void skip() {
        while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0)
            at++;
    }

    private boolean is(char c) {
        skip();
        if (at == text.length() || text.charAt(at) != c)
            return false;
        at++;
        return true;
    }

    private void need(char c) {
        if (!is(c))
            throw wrong();
    }

    private Object word(String word, Object value) {
        if (!text.startsWith(word, at))
            throw wrong();
        at += word.length();
        return value;
    }

    private Object value() {
        skip();
        if (at == text.length())
            throw wrong();
        switch (text.charAt(at)) {
        case '{': return map();
        case '[': return list();
        case '"': return string();
        case 't': return word("true", Boolean.TRUE);
        case 'f': return word("false", Boolean.FALSE);
        case 'n': return word("null", null);
        default: return number();
        }
    }

    private Map<String, Object> map() {
        Map<String, Object> map = new LinkedHashMap<>();
        need('{');
        if (is('}'))
            return map;
        do {
            skip();
            String key = string();
            need(':');
            map.put(key, value());
        } while (is(','));
        need('}');
        return map;
    }

    private List<Object> list() {
        List<Object> list = new ArrayList<>();
        need('[');
        if (is(']'))
            return list;
        do
            list.add(value());
        while (is(','));
        need(']');
        return list;
    }

    private Object number() {
        int from = at;
        while (at < text.length() && "+-0123456789.eE".indexOf(text.charAt(at)) >= 0)
            at++;
        String digits = text.substring(from, at);
        try {
            if (digits.chars().allMatch(c -> c == '-' || Character.isDigit(c)))
                return Long.valueOf(digits);
            return Double.valueOf(digits);
        } catch (NumberFormatException error) {
            throw wrong();
        }
    }

    private String string() {
        StringBuilder made = new StringBuilder();
        need('"');
        for (;;) {
            if (at == text.length())
                throw wrong();
            char c = text.charAt(at++);
            if (c == '"')
                return made.toString();
            if (c == '\\') {
                if (at == text.length())
                    throw wrong();
                c = text.charAt(at++);
                int which = "bfnrt".indexOf(c);
                if (which >= 0) {
                    c = "\b\f\n\r\t".charAt(which);
                } else if (c == 'u') {
                    if (at + 4 > text.length())
                        throw wrong();
                    c = (char) Integer.parseInt(text.substring(at, at + 4), 16);
                    at += 4;
                }
            }
            made.append(c);
        }
    }

    static String write(Object value) {
        StringBuilder made = new StringBuilder();
        append(made, value);
        return made.toString();
    }

    private static void append(StringBuilder to, Object value) {
        String between = "";
        if (value instanceof Map) {
            to.append('{');
            for (Map.Entry<?, ?> each : ((Map<?, ?>) value).entrySet()) {
                to.append(between);
                quote(to, each.getKey().toString());
                to.append(": ");
                append(to, each.getValue());
                between = ", ";
            }
            to.append('}');
        } else if (value instanceof List) {
            to.append('[');
            for (Object each : (List<?>) value) {
                to.append(between);
                append(to, each);
                between = ", ";
            }
            to.append(']');
        } else if (value instanceof String) {
            quote(to, (String) value);
        } else {
            to.append(value);
        }
    }

    private static void quote(StringBuilder to, String text) {
        to.append('"');
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\')
                to.append('\\').append(c);
            else if (c < ' ')
                to.append(String.format("\\u%04x", (int) c));
            else
                to.append(c);
        }
        to.append('"');
    }
}
