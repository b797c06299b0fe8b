# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""A working set of a given size, of which a given share is touched.

The pages that are touched are spread over the working set, in an order that no prefetcher foresees.

Event: wss, bytes or a size such as "16M" (16M); touch, percent (100); write, true or false (false).
"""
import math
import mmap

PAGE = mmap.PAGESIZE


def size(text):
    text = str(text)
    unit = "KMG".find(text[-1]) + 1
    return int(text[:-1] if unit else text) << 10 * unit


def make(pages):
    area = mmap.mmap(-1, max(1, pages) * PAGE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    for page in range(pages):
        area[page * PAGE:page * PAGE + 8] = (page * 2654435761 + 1).to_bytes(8, "little")
    return area


_areas = {}


def handler(event):
    pages = size(event.get("wss", "16M")) // PAGE
    if pages not in _areas:
        _areas[pages] = make(pages)
    area = _areas[pages]
    touched = pages * event.get("touch", 100) // 100
    # Steps that have no factor in common with the number of pages come to each of them once.
    step = pages * 5 // 8 | 1
    while math.gcd(step, pages) > 1:
        step += 2
    total = 0
    for number in range(touched):
        at = number * step % pages * PAGE
        total += int.from_bytes(area[at:at + 8], "little")
        if event.get("write"):
            area[at + 8:at + 16] = b"touched!"
    return {"pages": pages, "touched": touched, "sum": total}
