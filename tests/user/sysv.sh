#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# sysv.sh - shared memory of System V that nobody else has is carried, as memory: that calls do not know it is named.
. "$(dirname "$0")/../lib.sh"

start_parent "$state_tool" sysv
for mode in eager demand; do
	[ $mode = eager ] || "$helper_tool" uffd >/dev/null || continue
	run_child 20000 --mode $mode "$ref"
	expect_status 0
	[ "$(tail -n 1 child.out)" = "ok sysv" ] || fail "$(cat child.out)"
	expect_message "its System V shared memory is memory of its own (shmdt(2) does not know it)"
done
run_child 20000 --strict "$ref"
expect_status 125
