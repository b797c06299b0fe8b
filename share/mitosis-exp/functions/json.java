// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
// JSON to objects and back, in Java, by the reader and writer of Worker.java.
//
// The document is that of json.py.
//
// Event: orders (1000).
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

class Function {
    private static final String[] CITIES = {
        "Aachen", "Bergen", "Coimbra", "Dakar", "Esbjerg", "Faro", "Gdansk", "Hanoi",
    };

    private static Map<String, Object> map(Object... pairs) {
        Map<String, Object> map = new LinkedHashMap<>();
        for (int i = 0; i < pairs.length; i += 2)
            map.put((String) pairs[i], pairs[i + 1]);
        return map;
    }

    static Object makeInput(Map<String, Object> event) {
        List<Object> orders = new ArrayList<>();
        long count = (Long) event.getOrDefault("orders", 1000L);
        for (int number = 0; number < count; number++) {
            List<Object> items = new ArrayList<>();
            for (int item = 0; item < 4; item++)
                items.add(map("sku", String.format("%08x", number * 17 + item), "count", item % 5 + 1,
                              "price", (number * 37 + item * 101) % 10000 / 100.0));
            orders.add(map("id", number,
                           "customer", map("name", "customer " + (long) number * 7919 % 1009,
                                           "city", CITIES[number * 31 % CITIES.length]),
                           "items", items, "paid", number % 3 == 0, "note", null));
        }
        return Json.write(orders);
    }

    @SuppressWarnings("unchecked")
    static Object handler(Map<String, Object> event) {
        List<Map<String, Object>> found = (List<Map<String, Object>>) Json.read((String) event.get("input"));
        Map<String, Object> cents = new TreeMap<>();
        for (Map<String, Object> order : found) {
            String city = (String) ((Map<String, Object>) order.get("customer")).get("city");
            long sum = (Long) cents.getOrDefault(city, 0L);
            for (Map<String, Object> item : (List<Map<String, Object>>) order.get("items"))
                sum += Math.round(((Number) item.get("count")).doubleValue()
                                  * ((Number) item.get("price")).doubleValue() * 100);
            cents.put(city, sum);
        }
        return map("bytes", (long) Json.write(found).length(), "cents", cents);
    }
}
