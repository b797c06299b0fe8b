# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""A text is compressed and unpacked again.

The text is made of words that a fixed rule strings together.

Event: kib (256).
"""
import hashlib
import zlib

WORDS = ("memory", "page", "fork", "remote", "child", "parent", "fetch", "touch", "snapshot", "of",
         "the", "a", "and", "on", "in", "demand")


def make_input(event):
    size = event.get("kib", 256) * 1024
    words = []
    state = 12345
    length = 0
    while length < size:
        state = (state * 1103515245 + 12345) % (1 << 31)
        words.append(WORDS[state >> 16 & 15] if state >> 20 & 7 else str(state))
        length += len(words[-1]) + 1
    return " ".join(words).encode()[:size]


def handler(event):
    packed = zlib.compress(event["input"], 6)
    unpacked = zlib.decompress(packed)
    return {"packed": len(packed), "unpacked": len(unpacked),
            "sha256": hashlib.sha256(unpacked).hexdigest()}
