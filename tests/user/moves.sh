#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# moves.sh - a child that moves its memory while its pager lets go of it: in the end all of it is its own, and what it
# forks has all; also where its first thread has ended.
. "$(dirname "$0")/../lib.sh"
need_uffd

for how in "" dead; do
	doing="first thread: ${how:-alive}"
	# shellcheck disable=SC2086
	launch_parent /dev/null "$build_dir/tests/user/moves" $how
	await 10000 has_line parent.out '^ready$'
	status=0
	"$parent_tool" --pid "$parent" >out 2>err || status=$?
	if [ "$status" = 1 ] && grep -q 'before Linux 6.9\|Linux 6.9 can' err; then
		: >err
		kill "$parent"
		continue
	fi
	[ "$status" = 0 ] || fail "status $status: $(cat err)"
	for ((i = 0; i < 10; i++)); do
		run_child 60000 --mode demand --tids new "$(<out)"
		expect_output "all is its own"
		expect_status 0
		no_line child.err 'ready to fork' || fail "it is not ready to fork"
	done
	kill "$parent"
	finish "$parent" 5000
done
