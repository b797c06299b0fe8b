#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# dead-pager.sh - the child ends with its pager, and never sees zeros for what is missing.
. "$(dirname "$0")/../lib.sh"
need_uffd

start_parent "$state_tool" slow
for n in 1 2 3 4 5 6 7 8; do
	doing="round $n"
	start_child child --how "$([ $((n % 2)) = 0 ] && echo place || echo tcp)" --window 1 --no-push "$ref"
	await_child "$child" '^running'
	alive "$real" || fail "the child is not running"
	kill -KILL "$child"
	await 1000 gone "$real"
	# It has been reading and checking all the time: a wrong byte would have been reported.
	[ "$(wc -l <child.out)" = 1 ] || fail "the child saw wrong bytes: $(tail -n 1 child.out)"
done
doing=

# Likewise while the child sleeps, and one that is stopped.
start_parent "$state_tool" wait
start_child child --no-push "$ref"
await_child "$child" '^running'
kill -KILL "$child"
await 1000 gone "$real"
