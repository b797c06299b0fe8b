# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""Where a parent listens for children: an address of this host."""

import errno
import ipaddress
import os
import re
import socket

from problem import USAGE, Problem


def check(where):
    """Before the function is loaded, which takes its time: can the parent serve children there?"""
    match = re.fullmatch(r"\[([^]]*)\](?::(\d+))?|([^:]*)(?::(\d+))?|(.*)", where)
    host, port = match[1] or match[3] or match[5] or "", int(match[2] or match[4] or 0)
    try:
        address = ipaddress.ip_address(host)
        if port > 65535:
            raise ValueError
    except ValueError:
        raise Problem(f"--listen: {where}: expected ADDRESS, ADDRESS:PORT or [IPV6]:PORT, and no "
                      "name", USAGE) from None
    try:
        with socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((host, port))
            sock.listen(1)
    except OSError as error:
        raise Problem(f"--listen: {where}: " + (
            "this host has no such address" if error.errno == errno.EADDRNOTAVAIL else
            os.strerror(error.errno))) from None
