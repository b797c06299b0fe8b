# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
"""A Python program that is prepared by a signal, and checks itself in the child.

It prints "waiting" and computes until it finds itself in another process.
"""
import collections
import os
import time
import sys

BEGAN = os.getpid()
numbers = [i * i for i in range(200000)]
words = {str(i): ("x" * (i % 50), i) for i in range(20000)}
text = "".join(words)
half_way = (n for n in numbers)
for _ in range(1000):
    next(half_way)


class Cycle:
    alive = 0

    def __init__(self):
        self.me = self
        Cycle.alive += 1

    def __del__(self):
        Cycle.alive -= 1


def floats():
    """Busy with vector registers and a deep stack when the signal comes."""
    def sink(depth, x):
        return sink(depth - 1, x * 1.0000001) if depth else x
    total = 0.0
    for i in range(50):
        total += sink(100, float(i))
    return total


def verify():
    assert next(half_way) == 1000 * 1000
    assert sum(numbers) == sum(i * i for i in range(200000))
    assert all(words[str(i)] == ("x" * (i % 50), i) for i in range(20000))
    assert len(text) == sum(len(str(i)) for i in range(20000))
    # Garbage collection over objects of both lives.
    import gc
    for _ in range(1000):
        Cycle()
    gc.collect()
    assert Cycle.alive == 0, Cycle.alive
    # New modules, extension modules among them.
    import decimal
    import json
    import sqlite3
    import hashlib
    assert json.loads(json.dumps({"a": numbers[:10]}))["a"] == numbers[:10]
    assert decimal.Decimal(1) / 3 * 3 != 1
    assert sqlite3.connect(":memory:").execute("select 6 * 7").fetchone() == (42,)
    assert hashlib.sha256(b"").hexdigest().startswith("e3b0c442")
    # Exceptions.
    try:
        raise KeyError("k") from ValueError("v")
    except KeyError as e:
        assert isinstance(e.__cause__, ValueError)
    try:
        {}["missing"]
        raise AssertionError
    except KeyError:
        pass

    def dig(n):
        return dig(n + 1)
    try:
        dig(0)
        raise AssertionError
    except RecursionError:
        pass
    # Threads.
    import threading
    import concurrent.futures
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda i: sum(numbers[i::8]), range(8))) == [sum(numbers[i::8]) for i in range(8)]
    local = threading.local()
    local.x = 1
    # Processes.
    import subprocess
    assert subprocess.run(["echo", "hello"], capture_output=True, check=True).stdout == b"hello\n"
    # Prepared from outside, it may be copied once all of its memory is here ("dc": what a fork does not copy).
    while " dc" in "".join(line for line in open("/proc/self/smaps") if line.startswith("VmFlags")):
        time.sleep(0.01)
    pid = os.fork()
    if pid == 0:
        os._exit(7 if sum(numbers[::100]) == sum(i * i for i in range(0, 200000, 100)) else 8)
    assert os.waitpid(pid, 0)[1] == 7 << 8
    import multiprocessing
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(len, [[1], [2, 3]]) == [1, 2]
    # Signals, time, randomness.
    import signal
    got = []
    signal.signal(signal.SIGUSR2, lambda s, f: got.append(s))
    os.kill(os.getpid(), signal.SIGUSR2)
    assert got == [signal.SIGUSR2]
    import time
    begin = time.monotonic()
    time.sleep(0.01)
    assert 0.005 < time.monotonic() - begin < 5
    assert collections.Counter(text)["1"] > 1000


expected = floats()
print("waiting", flush=True)
while os.getpid() == BEGAN:
    assert floats() == expected
verify()
print("ok python", os.getpid() != BEGAN)
sys.exit(3)
