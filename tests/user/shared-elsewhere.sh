#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# shared-elsewhere.sh - a file without a name that another process has, too, is not carried but named, with the process.
. "$(dirname "$0")/../lib.sh"

start_parent "$state_tool" shared-elsewhere
run_child 20000 "$ref"
expect_status 0
[ "$(tail -n 1 child.out)" = "ok shared-elsewhere" ] || fail "$(cat child.out)"
said child.err 'descriptor [0-9]* is closed (/memfd:elsewhere (deleted), process [0-9]* has it too)'
[ "$(grep -o 'descriptor' child.err | wc -l)" = 1 ] || fail "it says: $(cat child.err)"
other=$(sed -n 's/.*process \([0-9]*\) has it too.*/\1/p' child.err)
readlink /proc/"$other"/fd/* | grep -qF "/memfd:elsewhere (deleted)" || fail "process $other has not got it"
run_child 20000 --strict "$ref"
expect_status 125
end_parent

# An earlier snapshot of the same process is nobody else, whoever its parent is now.
doing="two snapshots"
forget_parent
rm -f hold
mkfifo hold || broken "mkfifo"
MITOSIS_TEST_BY_PID=1 launch_parent hold "$state_tool" shared-memory
exec {hold_fd}>hold
await 10000 waiting_or_end
expect 0 "$parent_tool" --pid "$parent"
expect 0 "$parent_tool" --pid "$parent"
run_child 20000 "$(<out)"
expect_status 0
[ "$(tail -n 1 child.out)" = "ok shared-memory" ] || fail "$(cat child.out)"
