#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# inotify-lost.sh - watches that a child cannot have, and events that its parent had not read, are named; the others hold.
. "$(dirname "$0")/../lib.sh"

start_parent "$state_tool" inotify-lost
run_child 20000 "$ref"
expect_status 0
[ "$(tail -n 1 child.out)" = "ok inotify-lost" ] || fail "$(cat child.out)"
expect_message "has lost 1 of 2 watches"
expect_message "has not the events that were not read"
run_child 20000 --strict "$ref"
expect_status 125
end_parent
