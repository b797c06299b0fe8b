#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# confined.sh - a child gains no privileges that the parent gave up; filters of system calls it loses with a word.
. "$(dirname "$0")/../lib.sh"

start_parent "$state_tool" confined
run_child 20000 "$ref"
expect_status 0
[ "$(tail -n 1 child.out)" = "ok confined" ] || fail "$(cat child.out)"
expect_message "seccomp filters do not confine it"
run_child 20000 --strict "$ref"
expect_status 125
expect_message "refused, since the child would not be what its parent is: seccomp filters do not confine it"
[ ! -s child.out ] || fail "it ran"
