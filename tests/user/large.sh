#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# large.sh - what is too large to be copied while the parent stands still is named; the parent's pause has a bound.
. "$(dirname "$0")/../lib.sh"

start_parent "$state_tool" large
run_child 20000 "$ref"
expect_status 0
[ "$(tail -n 1 child.out)" = "ok large" ] || fail "$(cat child.out)"
said child.err 'descriptor [0-9]* is closed (/memfd:large (deleted), it is too large to be copied while its parent stands still)'
# Where the file lies in memory the other limit holds.
[ "$(stat -f -c %T .)" = tmpfs ] || said child.err 'descriptor [0-9]* is closed (/[^ ]*/large (deleted), it is too large to be copied'
run_child 20000 --strict "$ref"
expect_status 125
end_parent

# As large as is asked for.
forget_parent
rm -f hold
mkfifo hold || broken "mkfifo"
MITOSIS_TEST_BY_PID=1 launch_parent hold "$state_tool" large
exec {hold_fd}>hold
await 10000 waiting_or_end
for size in 299M 1G; do
	doing="--copy $size"
	expect 0 "$parent_tool" --pid "$parent" --copy $size
	run_child 20000 "$(<out)"
	if [ $size = 1G ]; then
		expect_status 1
		has_line child.out "not true: read(large_" || fail "it has not got it: $(cat child.out)"
	else
		expect_status 0
		said child.err 'descriptor [0-9]* is closed (/memfd:large (deleted), it is too large to be copied'
	fi
done
