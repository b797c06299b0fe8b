#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# late.sh - a descriptor that another process makes while the snapshot is taken has its position, or is named.
. "$(dirname "$0")/../lib.sh"

# It depends on the moment, so several times.
for doing in {1..5}; do
	start_parent "$state_tool" late
	run_child 20000 "$ref"
	expect_status 0
	[ "$(tail -n 1 child.out)" = "ok late" ] || fail "$(cat child.out)"
	end_parent
	[ "$status" = 0 ] || fail "the parent's status is $status"
done
