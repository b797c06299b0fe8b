#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# replay.sh - a working set is recorded exactly, in order, and replayed without a further fault.
. "$(dirname "$0")/../lib.sh"
need_uffd
need_python

cat >parent.py <<'END'
import gc, mmap, os, signal, sys
gc.disable()            # nor is memory allocated below, which depends on how long things take
sys.path.insert(0, sys.argv[1])
import mitosis
area = mmap.mmap(-1, 4096 * 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
for i in range(4096):
    area[i * 4096] = i % 251 + 1
import ctypes
base = ctypes.addressof(ctypes.c_char.from_buffer(area))
here = (ctypes.c_ubyte * 4096)()
look = ctypes.CDLL(None).mincore, ctypes.c_void_p(base), ctypes.c_size_t(4096 * 4096)
order = [3000, 17, 2999, 18, 19, 900, 901, 4000]
snapshot = mitosis.prepare()
if snapshot:
    print(snapshot.reference, flush=True)
    sys.stdin.read()
    sys.exit()
how = sys.stdin.readline().strip()
if how == "wait":               # until they are here, without touching one, and what was touched behind them
    while not all(here[i] & 1 for i in order + [4095]):
        look[0](*look[1:], here)
before = mitosis.stats()
wrong = [i for i in order if area[i * 4096] != i % 251 + 1]
after = mitosis.stats()
last = area[4095 * 4096]
print("base", base, "wrong", len(wrong), "faults", after.faults - before.faults, flush=True)
if how == "die":
    os.kill(os.getpid(), signal.SIGKILL)
END
# The pages of the list that lie in the area, by number.
cat >pages.py <<'END'
import struct, sys
data = open(sys.argv[1], "rb").read()
magic, major, minor, page, length, program, layout, pages, extents, _, hash_ = struct.unpack_from("<QHHIQQQQIIQ", data)
assert data[:8] == b"MMMWSET1" and length == len(data) == 64 + 16 * extents, (length, len(data))
base, seen = int(sys.argv[2]), []
for i in range(extents):
    start, n = struct.unpack_from("<QQ", data, 64 + 16 * i)
    seen += [start + k * page for k in range(n)]
assert len(seen) == pages == len(set(seen))
print(pages, *[(a - base) // page for a in seen if 0 <= a - base < 4096 * page])
END
module=$(cd "$tests_dir/../share/mitosis-exp/python" && pwd) || broken "no Python module"
prepare() { start_parent "$python" parent.py "$module"; }
# child WORD OPTION...: what it is told on standard input, and how it is resumed
child() {
	local word=$1
	shift
	echo "$word" >word
	status=0
	timeout 30 "$child_tool" "$@" <word >child.out 2>child.err {hold_fd}>&- || status=$?
}
prepare
doing=record
child touch --record set "$ref"
expect_status 0
read -r _ base _ wrong _ faults <child.out
[ "$wrong" = 0 ] && [ "$faults" -ge 8 ] || fail "$(<child.out)"
read -r pages list < <("$python" pages.py set "$base")
[ "$list" = "3000 17 2999 18 19 900 901 4000 4095" ] || fail "recorded: $list"
doing="record, child killed"
child die --record killed "$ref"
expect_status 137
"$python" pages.py killed "$base" >killed.out || fail "no list of a child that died"
[ -z "$(find . -name 'set.*' -o -name 'killed.??????')" ] || fail "a temporary file was left"

doing="without replay"
child touch --no-push --window 1 "$ref"
read -r _ _ _ wrong _ faults <child.out
[ "$wrong" = 0 ] && [ "$faults" -ge 8 ] || fail "$(<child.out)"
for push in --no-push --push=50 --push=100; do
	doing="replay $push"
	child wait "$push" --replay set "$ref"
	expect_status 0
	expect_silence
	read -r _ _ _ wrong _ faults <child.out
	[ "$wrong" = 0 ] && [ "$faults" = 0 ] || fail "$(<child.out)"
done

doing="the Python module"
"$python" -c 'import sys; sys.path.insert(0, sys.argv[1]); import mitosis
mitosis.resume(sys.argv[2], record="python-set", push=False)' "$module" "$ref" <<<touch >child.out 2>child.err \
	|| fail "status $?"
read -r _ list < <("$python" pages.py python-set "$base")
[ "$list" = "3000 17 2999 18 19 900 901 4000 4095" ] || fail "recorded: $list"

doing="bad files"
refused() {
	child touch --replay "$1" "$ref"
	expect_status 125
	expect_message "$2"
	[ ! -s child.out ] || fail "the child ran"
}
head -c 100 set >short
refused short "truncated"
head -c 5000 /dev/urandom >garbage
refused garbage "not a working set"
refused nothing "No such file"
child touch --record /nonexistent/set "$ref"
expect_status 125
expect_message "/nonexistent/set: No such file"
[ "$(wc -l <child.err)" = 1 ] || fail "more than one message"
child touch --record /dev/null "$ref"
expect_status 125
expect_message "/dev/null: not a regular file"
[ "$(wc -l <child.err)" = 1 ] || fail "more than one message"
child touch --record a --replay set "$ref"
expect_status 2
child touch --push 50 --no-push "$ref"
expect_status 2
doing="a descriptor to notify"
child touch --notify 99 "$ref"
expect_status 2
expect_message "--notify: 99: Bad file descriptor"
exec {reading}</dev/null
child touch --notify "$reading" "$ref"
exec {reading}<&-
expect_status 2
expect_message "not open for writing"
doing=
forget_parent
doing="another program"
start_parent "$state_tool" data
refused set "of another program"
forget_parent
doing="another run"
if [ "$(</proc/sys/kernel/randomize_va_space)" != 0 ]; then
	prepare
	refused set "of another run"
fi
