#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# odd-memory.sh - memory that no child can have is refused by name, also where it is only read.
. "$(dirname "$0")/../lib.sh"

odd_tool=$build_dir/tests/user/odd-memory
tried=0

# refused KIND MESSAGE
refused() {
	local mode
	doing=$1
	status=0
	"$odd_tool" "$1" >try.out 2>&1 </dev/null || status=$?
	if [ "$status" = 77 ]; then
		echo "$test_name: not tried: $(<try.out)"
		return
	fi
	[ "$status" = 0 ] || fail "status $status: $(<try.out)"
	start_parent "$odd_tool" "$1"
	for mode in eager demand; do
		if [ $mode = demand ] && ! "$helper_tool" uffd >/dev/null; then
			continue
		fi
		run_child 5000 --mode $mode "$ref"
		expect_status 125
		expect_message "$2"
		[ ! -s child.out ] || fail "it ran"
	done
	end_parent
	[ "$status" = 0 ] || fail "the parent's status is $status"
	tried=$((tried + 1))
}

refused secret "(/secretmem (deleted)), which a snapshot cannot freeze"
refused sysv ", which a snapshot cannot freeze: process "
refused device "it has mapped the memory of a device"
refused private-device "it has mapped the memory of a device"
refused packet "(socket:["
refused perf "it has memory that a copy of it lacks"
refused aio "(/[aio] (deleted)), which a snapshot cannot freeze"
refused registered "it has memory that is registered with userfaultfd: nobody would fill it for a child"
refused confined "it has memory that is registered with userfaultfd: nobody would fill it for a child"
doing=
[ "$tried" -gt 1 ] || fail "only $tried kinds could be tried"
[ "$("$odd_tool" | wc -l)" = "$(grep -c '^refused ' "$test_file")" ] || fail "not all kinds are tried"
