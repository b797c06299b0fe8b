# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""AES in pure Python: a message is encrypted and decrypted in counter mode.

Event: bytes (4096).
"""
import sys

NEEDS = {"pyaes": "python3-pyaes"}

import pyaes    # noqa: E402

KEY = bytes(range(32))


def cipher():
    return pyaes.AESModeOfOperationCTR(KEY)


def handler(event):
    message = bytes(number * 167 & 255 for number in range(event.get("bytes", 4096)))
    secret = cipher().encrypt(message)
    if cipher().decrypt(secret) != message:
        sys.exit("the message is not what it was")
    return {"first": secret[:16].hex(), "last": secret[-16:].hex(), "bytes": len(secret)}
