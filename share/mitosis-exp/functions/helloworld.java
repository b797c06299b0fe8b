// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
// A greeting, in Java: next to nothing, so that what is measured is the start.
//
// Event: name (world).
import java.util.Map;

class Function {
    static Object handler(Map<String, Object> event) {
        return "hello, " + event.getOrDefault("name", "world");
    }
}
