#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# python.sh - an unmodified CPython becomes a parent by a signal; its children go on to import
# modules, run threads and subprocesses, collect garbage and raise exceptions.
. "$(dirname "$0")/../lib.sh"
need_python

launch_parent /dev/null "$parent_tool" --on USR1 -- "$python" -B "$tests_dir/user/parent.py"
await 10000 has_line parent.out '^waiting$'
kill -USR1 "$parent"
await_reference parent.out
# It knows a child by its number.
while read -r options; do
	doing=$options
	# shellcheck disable=SC2086
	run_child 60000 --tids new $options "$ref"
	[ "$status" = 3 ] || fail "exit status $status, not 3"
	expect_output "ok python True"
	expect_silence
done < <(all_modes | grep -v -e 'window [18]' -e --no-push)
doing=
alive "$parent" || fail "the parent ended"

# Prepared again, the parent gives another snapshot; the first one stays.
old_ref=$ref
: >parent.out
kill -USR1 "$parent"
await_reference parent.out
[ "$ref" != "$old_ref" ] || fail "the same reference twice"
run_child 60000 --tids new "$ref"
[ "$status" = 3 ] || fail "second snapshot: exit status $status"
run_child 60000 --tids new "$old_ref"
[ "$status" = 3 ] || fail "first snapshot: exit status $status"

# With threads it is a parent like any other.
doing="threads"
cat >threads.py <<'END'
import threading, time
beats = [0] * 4
def beat(i):
    while True:
        beats[i] += 1
        time.sleep(0.01)
for i in range(4):
    threading.Thread(target=beat, args=(i,), daemon=True).start()
print("waiting", flush=True)
while True:
    before = list(beats)
    while any(now < then + 5 for now, then in zip(beats, before)):
        time.sleep(0.01)
    print("all beat", flush=True)
END
background threads.out threads.err "$parent_tool" --on USR1 -- "$python" threads.py
parent=$!
pids+=("$parent")
await 10000 has_line threads.out '^waiting$'
kill -USR1 "$parent"
await_reference threads.out
start_child beating "$ref"
await 20000 has_line beating.out '^all beat$'
kill "$child"
finish "$child" 5000
[ "$status" = 143 ] || fail "status $status: $(cat beating.err)"
: >threads.out
await 5000 has_line threads.out '^all beat$'
kill "$parent"
finish "$parent" 5000
[ "$status" = 143 ] && [ ! -s threads.err ] || fail "status $status: $(cat threads.err)"
: >beating.err
