# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""garbage.py PORT UUID ADDRESS: what no child would send, to a shadow (ADDRESS: of a page that it has); a bounded number of everything."""
import errno
import os
import random
import socket
import struct
import sys
import time
import uuid

PORT, KEY, TEXT = int(sys.argv[1]), uuid.UUID(sys.argv[2]).bytes, int(sys.argv[3], 16)
FRAME = struct.Struct("<HHIQII")
MAGIC = 0x314f4854494d4d4d
HELLO, READ, PLACE, PLACED = 1, 5, 9, 10
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
    _, _, length, name, pages, _ = FRAME.unpack(data)
    left = length + pages * 4096
    while left:
        left -= len(s.recv(min(left, 1 << 20)))
    return name


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

# On the local socket, for who would have pages placed.
s = connect()
send(s, hello())
name = read_descriptor(s)
s.close()
assert name >> 32 == 0
local_name = f"\0mitosis-exp/{os.geteuid()}/{name}"


def connect_local(**more):
    s = socket.socket(socket.AF_UNIX)
    s.connect(local_name)
    s.settimeout(7)
    send(s, hello(purpose=4, **more))
    return s


def place(address=4096, pages=1, length=24, said=1):
    return FRAME.pack(PLACE, 0, length, 0, said, 0) + struct.pack("<QQII", address, 1 << 40, pages, 0)


def placed(s):
    return FRAME.unpack(s.recv(FRAME.size, socket.MSG_WAITALL))


s = connect()
send(s, hello(purpose=4))
assert cut_off(s, "PLACE by TCP") > 24
assert cut_off(connect_local(key=bytes(16)), "PLACE with a wrong key") > 24
for bad in (place(), place(length=0), b"", place()[:20]):
    s = connect_local()
    assert placed(s)[0] == PLACED
    send(s, bad)
    s.shutdown(socket.SHUT_WR)
    assert cut_off(s, f"PLACE without a descriptor {bad.hex()}") == 0
# With one that is no userfaultfd; then what is no PLACE.
for bad in (place(pages=0, said=0), place(pages=4097, said=4097), place(said=2), place(address=4095), place(length=23),
            place(length=24 * 65) + bytes(24 * 64), FRAME.pack(READ, 0, 24, 4096, 1, 0) + bytes(24)):
    s = connect_local()
    assert placed(s)[0] == PLACED
    inner, outer = os.pipe()
    socket.send_fds(s, [place(address=0)], [inner])
    assert placed(s)[4:] == (0, errno.EFAULT)
    socket.send_fds(s, [place(address=TEXT)], [inner])
    assert placed(s)[4:] == (0, errno.ENOTTY)
    os.close(inner)
    os.close(outer)
    send(s, bad)
    assert cut_off(s, f"bad PLACE {bad.hex()}") == 0
many = [connect_local() for _ in range(300)]
kinds = [placed(s)[0] for s in many]
assert kinds[:200] == [PLACED] * 200 and kinds[299] not in (PLACED, PLACE), kinds
for s in many:
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
