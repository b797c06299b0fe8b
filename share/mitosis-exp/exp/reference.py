# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""The reference of a snapshot, as the user gives it to --from."""

import os
import sys

from problem import USAGE, Problem, reason


def read(text):
    if text == "-":
        try:
            text = next((line.strip() for line in sys.stdin if line.startswith("mitosis")), "")
        except OSError as error:
            raise Problem(f"standard input: {reason(error)}") from None
        if not text:
            raise Problem("standard input: ended without a reference")
    else:
        wipe(text)
    if not text.startswith(("mitosis://", "mitosis+rdma://")):
        raise Problem(f"--from: {text}: not a reference", USAGE)
    return text


def wipe(reference):
    """The UUID is the only key to the snapshot: nobody shall read it in ps."""
    import ctypes               # takes longer than all else here

    with open("/proc/self/stat", encoding="utf-8", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    start, end = int(fields[45]), int(fields[46])       # arg_start and arg_end of proc(5)
    at = ctypes.string_at(start, end - start).find(os.fsencode(reference)) if start else -1
    secret = len(os.fsencode(reference.rpartition("/")[2]))
    if at >= 0:
        ctypes.memset(start + at + len(os.fsencode(reference)) - secret, ord("*"), secret)
