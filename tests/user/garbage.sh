#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# garbage.sh - garbage, oversized and slow peers on the listening port are cut off; the parent and
# other children notice nothing.
. "$(dirname "$0")/../lib.sh"
need_python

start_parent "$state_tool" slow
start_child child --window 1 --no-push "$ref"
await_child "$child" '^running'
text=$(awk '$2 ~ /x/ { sub(/-.*/, "", $1); print $1; exit }' "/proc/$parent/maps")
"$python" "$tests_dir/user/garbage.py" "$port" "${ref##*/}" "$text" >garbage.out 2>garbage.err || fail "$(cat garbage.out)"
alive "$parent" || fail "the parent ended"
alive "$real" || fail "the child ended"
[ "$(wc -l <child.out)" = 1 ] || fail "$(cat child.out)"
find_shadow
# No descriptor is left in use: listener, epoll, a spare one, parent, unix socket, and one child, which has all its pages.
connections() { [ "$(ls "/proc/$shadow/fd" | wc -l)" -le 6 ]; }
await 7000 connections
start_child second "$ref"
await 5000 has_line second.out '^running'
kill "$child"
finish "$child" 2000

# A parent with few descriptors: strangers neither lock children out nor keep the shadow busy.
doing="few descriptors"
ulimit -S -n 24
start_parent "$state_tool" data
ulimit -S -n "$(ulimit -H -n)"
find_shadow
background strangers.out strangers.err "$python" -c '
import socket, sys, time
all = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for _ in range(60)]
print("connected", flush=True)
time.sleep(60)' "$port"
strangers=$!
pids+=("$strangers")
await 5000 has_line strangers.out connected
run_child 2000 "$ref"
expect_status 0
ticks() {
	local stat
	stat=$(<"/proc/$shadow/stat")
	# shellcheck disable=SC2086
	set -- ${stat##*) }
	echo $((${12} + ${13}))
}
before=$(ticks)
run_child 2000 "$ref"
run_child 2000 "$ref"
[ $(($(ticks) - before)) -le 20 ] || fail "the shadow is busy: $(($(ticks) - before)) ticks"
