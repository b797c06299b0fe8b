# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""core.py FILE ADDRESS BYTES: what a core dump holds of this memory: "nothing", or its different bytes."""
import struct
import sys

name, start, length = sys.argv[1], int(sys.argv[2], 16), int(sys.argv[3])
with open(name, "rb") as core:
    header = core.read(64)
    assert header[:6] == b"\x7fELF\x02\x01", "not a core dump of 64 bits"
    offset, = struct.unpack_from("<Q", header, 32)
    size, count = struct.unpack_from("<HH", header, 54)
    found = set()
    held = 0
    for i in range(count):
        core.seek(offset + i * size)
        kind, _, at, address, _, in_file, in_memory, _ = struct.unpack("<IIQQQQQQ", core.read(56))
        low, high = max(address, start), min(address + in_file, start + length)
        if kind != 1 or low >= high:
            continue
        core.seek(at + low - address)
        found |= set(core.read(high - low))
        held += high - low
if not held:
    print("nothing")
else:
    print(f"{held} bytes of", *(chr(b) if 32 < b < 127 else b for b in sorted(found)))
