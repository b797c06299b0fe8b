#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""An interpreter that has done its imports and its work, ready as often as wanted.

    ./service.py                # prints a reference, and stays until standard input ends
    mitosis-child REFERENCE     # as often as wanted: answers from the table at once
"""

import sys

import mitosis

table = {number: number * number for number in range(100_000)}
reference = mitosis.prepare(label="service")
if reference is None:
    print(table[99_999])
else:
    print(reference, flush=True)
    sys.stdin.read()
