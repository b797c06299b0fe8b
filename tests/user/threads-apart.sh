#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# threads-apart.sh - threads that are scheduled otherwise than the first one are named.
. "$(dirname "$0")/../lib.sh"

start_parent "$state_tool" threads-apart
run_child 20000 --mode eager "$ref"
expect_status 0
[ "$(tail -n 1 child.out)" = "ok threads-apart" ] || fail "$(cat child.out)"
expect_message "2 of its threads are scheduled as the first one (nice value, policy, processors)"
run_child 20000 --mode eager --strict "$ref"
expect_status 125
expect_message "2 of its threads are scheduled as the first one"
