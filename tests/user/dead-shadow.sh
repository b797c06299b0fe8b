#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# dead-shadow.sh - a snapshot that ends while pages are missing: a message, status 125, at once.
. "$(dirname "$0")/../lib.sh"
need_uffd

expect_lost() {
	finish "$child" 1000
	expect_status 125
	expect_message "127.0.0.1:$port: connection to the snapshot lost"
	expect_message "pages missing: child killed"
	[ "$(wc -l <child.err)" = 1 ] || fail "more than one message"
	await 1000 gone "$real"
}

for how in place tcp; do
	doing="--how $how"
	# Killed.
	start_parent "$state_tool" slow
	start_child child --how "$how" --no-push --window 1 "$ref"
	await_child "$child" '^running'
	find_shadow
	kill -KILL "$shadow"
	expect_lost
	[ "$(wc -l <child.out)" = 1 ] || fail "the child saw wrong bytes"
	alive "$parent" || fail "the parent is gone"
	run_child 5000 "$ref"
	expect_status 125
	expect_message "127.0.0.1:$port: cannot connect: Connection refused"

	# Stopped by its parent's end, with an idle child.
	start_parent "$state_tool" wait
	start_child child --how "$how" --no-push "$ref"
	await_child "$child" '^running'
	end_parent
	expect_lost

	# Released.
	start_parent "$state_tool" wait
	start_child child --how "$how" --no-push "$ref"
	await_child "$child" '^running'
	"$bin_dir/mitosis-ls" --release "$ref" >ls.out 2>ls.err || fail "mitosis-ls --release"
	expect_lost
	alive "$parent" || fail "the parent is gone"
done
doing=

# A child that has everything does not care.
start_parent "$state_tool" wait
start_child child "$ref"
await_child "$child" '^running'
start_child eager --mode eager "$ref"
eager=$child
await 5000 has_line eager.out '^running'
eager_real=$(real_child "$eager")
child=${pids[-2]}
# The background is done when the child's memory is all resident: 8 areas of 1 MiB.
resident() { [ "$(awk '/^RssAnon/ { print $2 }' "/proc/$real/status")" -ge 8192 ]; }
await 5000 resident
find_shadow
kill -KILL "$shadow"
await 1000 gone "$shadow"
kill -USR1 "$real" "$eager_real"
finish "$child" 5000
expect_status 0
[ "$(tail -n 1 child.out)" = "ok wait" ] || fail "$(cat child.out)"
finish "$eager" 5000
expect_status 0
[ "$(tail -n 1 eager.out)" = "ok wait" ] || fail "$(cat eager.out)"
