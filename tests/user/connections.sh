#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# connections.sh - a child's connections end as if the other side had gone, which is said once; the parent's go on.
. "$(dirname "$0")/../lib.sh"

start_parent "$state_tool" connections
while read -r options; do
	doing=$options
	# shellcheck disable=SC2086
	run_child 20000 $options "$ref"
	expect_status 0
	[ "$(tail -n 1 child.out)" = "ok connections" ] || fail "$(cat child.out)"
	expect_message "connections that it sees ended by the other side: 82 (descriptor "
	expect_message ", ...)"
	[ "$(grep -o 'descriptor' child.err | wc -l)" = 1 ] || fail "it says: $(cat child.err)"
done < <(all_modes)
doing=strict
run_child 20000 --strict "$ref"
expect_status 125
expect_message "connections that it sees ended by the other side: 82"
