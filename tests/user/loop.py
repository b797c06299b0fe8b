#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""loop.py - a server of asyncio, which counts its requests.

loop.py PORT [ADDRESS [thread]]: on loopback, or there; with another thread, which waits.
"""
import asyncio
import itertools
import sys
import threading

numbers = itertools.count(1)


class Server(asyncio.Protocol):
    """One client, who gets the next number for whatever it sends."""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(b"HTTP/1.0 200 OK\r\n\r\n%d\n" % next(numbers))
        self.transport.close()


async def main(port, address="127.0.0.1", thread=None):
    """Serve for ever."""
    if thread:
        threading.Thread(target=threading.Event().wait, daemon=True).start()
    server = await asyncio.get_running_loop().create_server(Server, address, int(port))
    await server.serve_forever()


asyncio.run(main(*sys.argv[1:]))
