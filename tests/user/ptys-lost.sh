#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# ptys-lost.sh - what was not read of a pseudo-terminal, and a side that another process has, are named.
. "$(dirname "$0")/../lib.sh"

start_parent "$state_tool" ptys-lost
run_child 20000 "$ref"
expect_status 0
[ "$(tail -n 1 child.out)" = "ok ptys-lost" ] || fail "$(cat child.out)"
expect_message "has not what was written to its terminal and not read"
expect_message "has lost the other side of its terminal"
expect_message "the lock of flock(2) on descriptor 4 is the parent's alone (/dev/pts/"
run_child 20000 --strict "$ref"
expect_status 125
