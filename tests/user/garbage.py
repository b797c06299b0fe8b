# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""garbage.py PORT UUID: what no child would send, to a shadow; a bounded number of everything."""
import os
import random
import socket
import struct
import sys
import time
import uuid

PORT, KEY = int(sys.argv[1]), uuid.UUID(sys.argv[2]).bytes
FRAME = struct.Struct("<HHIQII")
MAGIC = 0x314f4854494d4d4d
HELLO, READ = 1, 5
seed = int(os.environ.get("MITOSIS_SEED", time.time_ns() % 1000000))
print("seed", seed)
rng = random.Random(seed)


def connect():
    s = socket.create_connection(("127.0.0.1", PORT), timeout=7)
    return s


def cut_off(s, what, within=7.0):
    """The shadow closes; it may send an error or a descriptor before."""
    s.settimeout(within)
    total = 0
    try:
        while True:
            data = s.recv(1 << 20)
            if not data:
                break
            total += len(data)
    except ConnectionError:
        pass
    except socket.timeout:
        sys.exit(f"not cut off: {what}")
    s.close()
    return total


def send(s, data):
    try:
        s.sendall(data)
    except ConnectionError:
        pass


def hello(purpose=1, key=KEY, magic=MAGIC, major=1):
    return FRAME.pack(HELLO, 0, 32, 0, 0, 0) + struct.pack("<QHHI", magic, major, 0, purpose) + key


def read_descriptor(s):
    data = b""
    while len(data) < 24:
        data += s.recv(24 - len(data))
    _, _, length, _, pages, _ = FRAME.unpack(data)
    left = length + pages * 4096
    while left:
        left -= len(s.recv(min(left, 1 << 20)))


# Strangers.
for size in (1, 23, 24, 55, 56, 57, 1000, 100000):
    s = connect()
    send(s, rng.randbytes(size))
    if size >= 24:
        assert cut_off(s, f"{size} random bytes") < 1000
    else:
        s.close()
for data in (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\x03\x01" + bytes(200), b"\n" * 100):
    s = connect()
    send(s, data)
    cut_off(s, data[:10])
s = connect()
send(s, FRAME.pack(HELLO, 0, 0xffffffff, 0, 0, 0) + bytes(64))
cut_off(s, "oversized HELLO")
for key in (bytes(16), KEY[:15] + bytes([KEY[15] ^ 1])):
    s = connect()
    send(s, hello(key=key))
    cut_off(s, "wrong key")
s = connect()
send(s, FRAME.pack(READ, 0, 0, 4096, 1, 0) + bytes(32))
assert cut_off(s, "READ before HELLO") < 1000

# Those who know the key.
bad_reads = [
    FRAME.pack(READ, 0, 0, 1, 1, 0),
    FRAME.pack(READ, 0, 0, 4096, 0, 0),
    FRAME.pack(READ, 0, 0, 4096, 0xffffffff, 0),
    FRAME.pack(READ, 0, 0, 0xfffffffffffff000, 4096, 0),
    FRAME.pack(READ, 0, 0, 0, 1, 0),
    FRAME.pack(READ, 0, 0, 0x7fffffffe000, 4096, 0),
    FRAME.pack(READ, 1, 0, 4096, 1, 0),
    FRAME.pack(READ, 0, 8, 4096, 1, 0) + bytes(8),
    FRAME.pack(HELLO, 0, 32, 0, 0, 0) + bytes(32),
    FRAME.pack(0, 0, 0, 0, 0, 0),
]
for bad in bad_reads:
    s = connect()
    send(s, hello())
    read_descriptor(s)
    send(s, bad)
    assert cut_off(s, f"bad READ {bad.hex()}") < 1000
for _ in range(150):
    s = connect()
    send(s, hello())
    data = bytearray(FRAME.pack(READ, 0, 0, rng.randrange(1 << 47) & ~4095, rng.randrange(1, 4096), 0) * 3)
    for _ in range(rng.randrange(6)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    send(s, bytes(data))
    if rng.randrange(2):
        try:
            s.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        cut_off(s, "mutated READ, half closed")
    else:
        s.close()

# More silent strangers than there is room for, and a child in between.
silent = [connect() for _ in range(200)]
s = connect()
send(s, hello(purpose=2))
assert cut_off(s, "INFO among strangers") > 24
begin = time.monotonic()
for s in silent:
    cut_off(s, "a silent stranger", 7)
assert time.monotonic() - begin < 8
# One that trickles its HELLO has no more time than others.
s = connect()
begin = time.monotonic()
try:
    for b in hello():
        s.sendall(bytes([b]))
        s.settimeout(0.15)
        try:
            if not s.recv(1):
                break
        except socket.timeout:
            pass
    else:
        sys.exit("a trickling stranger was let in")
except ConnectionError:
    pass
assert time.monotonic() - begin < 7
