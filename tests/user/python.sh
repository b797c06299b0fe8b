#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# python.sh - an unmodified CPython becomes a parent by a signal; its children go on to import
# modules, run threads and subprocesses, collect garbage and raise exceptions.
. "$(dirname "$0")/../lib.sh"
need_python

background parent.out parent.err "$parent_tool" --on USR1 -- "$python" -B "$tests_dir/user/parent.py"
parent=$!
pids+=("$parent")
await 10000 has_line parent.out '^waiting$'
kill -USR1 "$parent"
await_reference parent.out
while read -r options; do
	doing=$options
	# shellcheck disable=SC2086
	run_child 60000 $options "$ref"
	[ "$status" = 3 ] || fail "exit status $status, not 3"
	expect_output "ok python True"
	expect_silence
done < <(all_modes | grep -v 'window [18]')
doing=
alive "$parent" || fail "the parent ended"

# Prepared again, the parent gives another snapshot; the first one stays.
old_ref=$ref
: >parent.out
kill -USR1 "$parent"
await_reference parent.out
[ "$ref" != "$old_ref" ] || fail "the same reference twice"
run_child 60000 "$ref"
[ "$status" = 3 ] || fail "second snapshot: exit status $status"
run_child 60000 "$old_ref"
[ "$status" = 3 ] || fail "first snapshot: exit status $status"

# A program with threads is told so, and goes on.
doing="threads"
cat >threads.py <<'END'
import threading, time, sys
t = threading.Thread(target=time.sleep, args=(60,), daemon=True)
t.start()
print("waiting", flush=True)
time.sleep(60)
END
background threads.out threads.err "$parent_tool" --on USR1 -- "$python" threads.py
threads=$!
pids+=("$threads")
await 10000 has_line threads.out '^waiting$'
kill -USR1 "$threads"
await 5000 has_line threads.err 'mitosis-parent: prepare: the program has more than one thread'
alive "$threads" || fail "the program ended"
: >threads.err
