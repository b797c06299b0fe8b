#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""service.py - a client of services that count: each answer is one more than the one before.

    service.py ask KIND PORT        prints the next number
    service.py first KIND PORT N    once it listens, asks N times, for what has to be consecutive; prints the first
    service.py load KIND PORT       asks for ever; says what is wrong and ends if one is not the next
"""
import itertools
import re
import socket
import sys
import time


def ask(kind, port):
    """The next number, over a new connection."""
    requests = {"http": b"GET / HTTP/1.0\r\n\r\n", "redis": b"INCR count\r\n",
                "memcached": b"incr count 1\r\n"}
    with socket.create_connection(("127.0.0.1", port), timeout=10) as s:
        s.sendall(requests[kind])
        answer = b""
        while not re.search(rb"(^|[\r\n:])\d+\r?\n$", answer):
            more = s.recv(4096)
            if not more:
                break
            answer += more
    return int(re.search(rb"(\d+)\r?\n$", answer).group(1))


what, kind, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
if what == "ask":
    print(ask(kind, port))
    sys.exit()
if what == "first":
    first, end = None, time.monotonic() + 60
    while first is None:
        try:
            first = ask(kind, port)
        except ConnectionRefusedError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
    for wanted in range(first + 1, first + int(sys.argv[4])):
        got = ask(kind, port)
        if got != wanted:
            sys.exit(f"{got}, not {wanted}")
    print(first)
    sys.exit()
first = ask(kind, port)
for wanted in itertools.count(first + 1):
    got = ask(kind, port)
    if got != wanted:
        sys.exit(f"{got}, not {wanted}")
    if wanted == first + 20:
        print("under load", flush=True)
