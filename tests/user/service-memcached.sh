#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# service-memcached.sh - a memcached, with a thread for each of several epolls.
# shellcheck source-path=SCRIPTDIR source=service.sh
. "$(dirname "$0")/service.sh"
need_command memcached

port_served=$(free_port)
user=()
[ "$(id -u)" != 0 ] || user=(-u root)
begin() { "$python" -c 'import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=5)
s.sendall(b"set count 0 0 1\r\n0\r\n")
sys.exit(not s.recv(100).startswith(b"STORED"))' "$port_served" 2>begin.err; }
kind=memcached
launch_parent /dev/null memcached "${user[@]}" -l 127.0.0.1 -p "$port_served" -U 0 -t 4
await 20000 begin
serve_twice
