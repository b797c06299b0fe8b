#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# supervisor.sh - the child tool stands where the program would stand: status, signals, ps.
. "$(dirname "$0")/../lib.sh"

state_of() {
	local stat
	{ stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
	stat=${stat##*) }
	echo "${stat%% *}"
}
stopped() { [ "$(state_of "$1")" = T ]; }
running() { [ "$(state_of "$1")" != T ]; }

start_parent "$state_tool" slow

# A signal to the supervisor is one to the child, and its end is the supervisor's.
for signal in TERM HUP USR1 USR2 ALRM ABRT SEGV KILL; do
	doing=$signal
	start_child child "$ref"
	await_child "$child" '^running'
	number=$(kill -l "$signal")
	if [ "$signal" = KILL ]; then
		kill -KILL "$real"
	else
		kill -s "$signal" "$child"
	fi
	finish "$child" 2000
	[ "$status" = $((128 + number)) ] || fail "status $status, not $((128 + number))"
	await 1000 gone "$real"
done

# Stopped and continued together. In a process group of its own, as a shell does it: the kernel does
# not let the terminal's signals stop an orphaned group.
doing=stop
set -m
start_child child "$ref"
set +m
await_child "$child" '^running'
kill -TSTP "$child"
await 2000 stopped "$real"
await 2000 stopped "$child"
kill -CONT "$child"
await 2000 running "$child"
await 2000 running "$real"

# What ps shows: the program's own name and arguments, and nobody's key.
doing=ps
[ "$(tr '\0' ' ' <"/proc/$real/cmdline")" = "$state_tool slow " ] || fail "$(tr '\0' ' ' <"/proc/$real/cmdline")"
[ "$(<"/proc/$real/comm")" = state ] || fail "the child is called $(<"/proc/$real/comm")"
! grep -q "${ref##*/}" "/proc/$child/cmdline" || fail "the key is in the supervisor's arguments"
kill -TERM "$child"
finish "$child" 2000

# Standard output and error are the supervisor's, standard input too.
doing=status
start_parent "$state_tool" wait
for options in "" "--mode eager"; do
	# shellcheck disable=SC2086
	start_child child $options "$ref"
	await_child "$child" '^running'
	kill -USR1 "$child"
	finish "$child" 5000
	expect_status 0
	[ "$(tail -n 1 child.out)" = "ok wait" ] || fail "$(cat child.out)"
done
