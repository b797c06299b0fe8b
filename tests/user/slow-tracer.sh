#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# slow-tracer.sh - a tracer that is late to look at what its tracees have done: the process that made the copy ends
# between the question whether it has stopped and the question whether it is there.
. "$(dirname "$0")/../lib.sh"
need_command strace
strace -e trace=none -e inject=openat:delay_enter=1 true 2>/dev/null || skip "strace cannot delay calls here"

launch_parent /dev/null sleep 1000
for call in openat waitid rt_sigtimedwait ptrace; do
	doing="late $call"
	expect 0 timeout -k 1 60 strace -f -o trace -e "trace=openat,waitid,$call" -e "inject=$call:delay_enter=5000" \
		"$parent_tool" --pid "$parent"
	[[ $(<out) =~ $reference ]] || fail "$(cat out err)"
	grep -q DELAYED trace || fail "nothing was late"
	start_child child "$(<out)"
	runs() { [ "$(cat "/proc/$(real_child "$child")/comm")" = sleep ]; }
	await 10000 runs
	kill "$child"
	finish "$child" 10000
	expect_status 143
done
alive "$parent" || fail "the parent has ended"
