#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# service-node.sh - an HTTP server of node's, whose timers go on in a child.
# shellcheck source-path=SCRIPTDIR source=service.sh
. "$(dirname "$0")/service.sh"
need_command node

cat >server.js <<'END'
let count = 0, ticks = 0
setInterval(() => ticks++, 5)
require("http").createServer((request, answer) => {
    answer.end(request.url === "/ticks" ? `${ticks}\n` : `${++count}\n`)
}).listen(Number(process.argv[2]), "127.0.0.1")
END
and_then=timers_go_on
port_served=$(free_port)
start_service http "$port_served" node server.js "$port_served"
serve_twice
