#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# leftovers.sh - whichever process is killed, nothing stays behind: no process, no socket.
. "$(dirname "$0")/../lib.sh"

has_socket() { grep -q "@mitosis-exp/$(id -u)/$1\$" /proc/net/unix; }
no_socket() { ! has_socket "$1"; }
# The listening port, by the kernel's table of sockets (state 0A).
listens() { grep -Eqi "^ *[0-9]+: [0-9A-F]+:$(printf %04X "$1") [0-9A-F:]+ 0A " /proc/net/tcp; }
deaf() { ! listens "$1"; }

set_up() {
	doing=$1
	start_parent "$state_tool" slow
	find_shadow
	has_socket "$shadow" || fail "the shadow has no socket"
	listens "$port" || fail "the shadow does not listen"
	# shellcheck disable=SC2086
	start_child child $options "$ref"
	await_child "$child" '^running'
}

modes=("--mode eager")
"$helper_tool" uffd && modes+=("--no-push --window 1")
for options in "${modes[@]}"; do
	set_up "parent, $options"
	kill -KILL "$parent"
	await 1000 gone "$parent"
	await 1000 gone "$shadow"
	await 1000 no_socket "$shadow"
	await 1000 deaf "$port"
	if [ "$options" = "--mode eager" ]; then
		# It depends on nobody.
		kill -TERM "$child"
	fi
	await 1000 gone "$real"
	await 1000 gone "$child"

	set_up "shadow, $options"
	kill -KILL "$shadow"
	await 1000 no_socket "$shadow"
	await 1000 deaf "$port"
	[ "$options" = "--mode eager" ] && kill -TERM "$child"
	await 1000 gone "$real"
	await 1000 gone "$child"
	alive "$parent" || fail "the parent ended"
	end_parent
	[ "$status" = 0 ] || fail "the parent's status is $status"
	await 1000 gone "$shadow"

	set_up "supervisor, $options"
	kill -KILL "$child"
	await 1000 gone "$real"
	alive "$shadow" || fail "the shadow ended"
	alive "$parent" || fail "the parent ended"
	# The connection is closed too: the snapshot knows of no peer any more and goes with its parent.
	end_parent
	await 1000 gone "$shadow"
	await 1000 no_socket "$shadow"
	await 1000 deaf "$port"

	set_up "child, $options"
	kill -KILL "$real"
	finish "$child" 1000
	[ "$status" = 137 ] || fail "the supervisor's status is $status, not 137"
	alive "$shadow" || fail "the shadow ended"
	end_parent
	await 1000 gone "$shadow"
	await 1000 no_socket "$shadow"
done

# The snapshot's own life: --lifetime ends it, with or without its parent.
doing=lifetime
start_parent "$parent_tool" --interval 10ms --after 1 --count 80 --lifetime 3s
find_shadow
finish "$parent" 5000
alive "$shadow" || fail "the snapshot ended with its parent"
await 5000 gone "$shadow"
await 1000 no_socket "$shadow"
