#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# zoo.sh - a process that has nearly all kinds of state at once, prepared from outside, with one thread and with 17: three
# children have all of it, each in a network of its own, and so has the parent, after they have used theirs up.
. "$(dirname "$0")/../lib.sh"
if [ "$(id -u)" = 0 ]; then
	need_namespaces -n
else
	need_namespaces -U -n
fi

export MITOSIS_TEST_BY_PID=1 MITOSIS_TEST_PARENT_TOO=1
for threads in 1 17; do
	export MITOSIS_TEST_THREADS=$threads
	doing="$threads threads"
	mkdir "with $threads" && cd "with $threads" || broken "mkdir"
	start_waiting_parent "$state_tool" zoo
	for child_number in 1 2 3; do
		doing="$threads threads, child $child_number"
		run_child 60000 --net new "$ref"
		[ "$status" = 0 ] || fail "status $status: $(tail -n 1 child.out)"
		[ "$(tail -n 1 child.out)" = "ok zoo" ] || fail "$(tail -n 1 child.out)"
		[ "$(sed -n 's/.* states, \(.*\) checks$/\1/p' child.out)" -ge 500 ] || fail "$(cat child.out)"
	done
	doing="$threads threads, the parent"
	end_parent
	[ "$status" = 0 ] && [ "$(tail -n 1 parent.out)" = "ok zoo" ] || fail "status $status: $(tail -n 1 parent.out)"
	cd .. || broken "cd"
done
