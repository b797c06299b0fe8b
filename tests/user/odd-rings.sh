#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# odd-rings.sh - rings of io_uring that are not at rest, or that the kernel says too little of, are refused by name.
. "$(dirname "$0")/../lib.sh"

rings_tool=$build_dir/tests/user/odd-rings
tried=0

# refused KIND MESSAGE
refused() {
	doing=$1
	status=0
	"$rings_tool" "$1" >try.out 2>&1 </dev/null || status=$?
	if [ "$status" = 77 ]; then
		echo "$test_name: not tried: $(<try.out)"
		return
	fi
	[ "$status" = 0 ] || fail "status $status: $(<try.out)"
	start_parent "$rings_tool" "$1"
	run_child 5000 --mode eager "$ref"
	expect_status 125
	expect_message "$2"
	[ ! -s child.out ] || fail "it ran"
	end_parent
	[ "$status" = 0 ] || fail "the parent's status is $status"
	tried=$((tried + 1))
}

frozen="(anon_inode:[io_uring]), which a snapshot cannot freeze:"
busy="$frozen it has requests in flight, or completions that were not read"
refused poll "$busy"
refused even "$busy"
refused timeout "$frozen it has had requests that complete more than once, or that cannot be seen while they wait"
refused uneven "$frozen not every request has had just one completion"
refused unread "$busy"
refused silent "$busy"
refused unsubmitted "$busy"
refused eventfd "$frozen an eventfd is registered with it"
refused files "$frozen files are registered with it"
refused buffers "$frozen buffers are registered with it"
refused numbered "$frozen a thread has a number of its own for it"
refused numbered-thread "$frozen a thread has a number of its own for it"
refused iopoll "$frozen it polls devices"
refused owned "$frozen one thread alone may use it"
refused disabled "$frozen it is restricted"
refused restricted "$frozen it is restricted"
refused large-sqes "$frozen its memory is not mapped as a whole"
refused small-large-sqes "$frozen there is no telling how large its entries are"
refused large-cqes "$frozen its memory is not mapped as a whole"
refused small-large-cqes "$frozen there is no telling how large its entries are"
refused first-place "$frozen there is no telling how its requests are numbered"
refused part "$frozen its memory is not mapped as a whole"
refused closed "$frozen no descriptor of it is open"
refused shared "$frozen another process has it too"
refused many "$frozen it has had 16781312 requests, more than the 16777216 "
refused confined "$frozen the parent is confined by seccomp"

# A thread of the kernel's cannot be stopped: there is no snapshot, and the program goes on.
doing=sqpoll
status=0
"$rings_tool" sqpoll >try.out 2>try.err </dev/null || status=$?
if [ "$status" = 77 ]; then
	echo "$test_name: not tried: $(<try.out)"
else
	[ "$status" = 1 ] || fail "status $status: $(<try.out)"
	[ "$(<try.out)" = "sqpoll: Device or resource busy, and it goes on" ] || fail "$(<try.out)"
	tried=$((tried + 1))
fi
doing=
[ "$tried" -gt 1 ] || fail "only $tried kinds could be tried"
[ "$("$rings_tool" | wc -l)" = "$(grep -c -e '^refused ' -e '^doing=[a-z]' "$test_file")" ] || fail "not all kinds are tried"
