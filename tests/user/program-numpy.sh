#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# program-numpy.sh - a program of Python's with threads, one of which multiplies matrices with those of OpenBLAS.
# shellcheck source-path=SCRIPTDIR source=program.sh
. "$(dirname "$0")/program.sh"
need_python
"$python" -c 'import numpy' 2>/dev/null || skip "needs python3-numpy"
# Whichever BLAS the system has chosen.
for directory in ${MITOSIS_TEST_OPENBLAS:-} /usr/lib/*/openblas-pthread; do
	[ ! -e "$directory/libblas.so.3" ] || export LD_LIBRARY_PATH=$directory
done

cat >count.py <<'PYTHON'
import os
import sys
import threading
import time

import numpy

if "openblas" not in open("/proc/self/maps").read():
    sys.exit(77)
beats = 0


def beat():
    global beats
    while True:
        time.sleep(0.002)
        beats += 1


def note(s):
    return str((31 * s + 7) % 1000003)


def ended():
    with open("/dev/stdin") as own:
        return own.read(3) == "end" or os.path.exists("end")


threading.Thread(target=beat, daemon=True).start()
# Moves the rows of a matrix on by one: exact in floating point, too.
n = 300
turn = numpy.roll(numpy.eye(n), 1, axis=0)
begin = numpy.arange(n * n, dtype=float).reshape(n, n)
matrix, step, total, slots = begin, 0, 0, {}
if len(os.listdir("/proc/self/task")) < 3:
    sys.exit("OpenBLAS has no threads")
while True:
    for _ in range(100):
        matrix = turn @ matrix
        for _ in range(20):
            step += 1
            slots[step % 1000] = note(step)
            total += step
    before = beats
    while beats == before:
        time.sleep(0.0005)
    right = total == step * (step + 1) // 2 and (matrix == numpy.roll(begin, step // 20, axis=0)).all()
    right = right and all(slots[s % 1000] == note(s) for s in range(step - 999, step + 1))
    print(f"{step} {total}" if right else "wrong", flush=True)
    if not right:
        sys.exit(1)
    if ended():
        sys.exit(7)
PYTHON
each=2000
export OPENBLAS_NUM_THREADS=4
status=0
: >end
"$python" count.py >first.out 2>first.err </dev/null || status=$?
[ "$status" != 77 ] || skip "numpy is not on OpenBLAS here (libopenblas0-pthread)"
[ "$status" = 7 ] || fail "status $status"
rm end first.err
count_twice "$python" count.py
