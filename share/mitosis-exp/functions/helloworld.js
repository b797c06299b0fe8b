// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
// A greeting, in node: next to nothing, so that what is measured is the start.
//
// Event: name (world).
"use strict"

exports.handler = event => `hello, ${event.name ?? "world"}`
