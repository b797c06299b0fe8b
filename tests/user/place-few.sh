#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# place-few.sh - a shadow that can have few descriptors: what there is no room for takes another way.
. "$(dirname "$0")/../lib.sh"
need_uffd
need_command prlimit
# A network of its own: nobody else asks its snapshots about themselves, and takes one of them for that.
own_hosts "127.0.0.1 localhost"

is_listed() { "$bin_dir/mitosis-ls" | grep -q "${ref##*/}"; }
open_are() { [ "$(find "/proc/$shadow/fd" -type l | wc -l)" = "$1" ]; }

# Room for the child's connection; for the other one, too; and for its userfaultfd.
for more in 1 2 3; do
	doing="a shadow that can have $more more descriptors"
	start_parent "$state_tool" wait
	find_shadow
	# It serves; then: the listener, an epoll, a spare one, its parent and a unix socket.
	await 5000 is_listed
	await 5000 open_are 5
	for ((n = 0, free = 0; free < more; n++)); do
		[ -e "/proc/$shadow/fd/$n" ] || free=$((free + 1))
	done
	prlimit --pid "$shadow" --nofile="$n" || fail "prlimit"
	start_child child --no-push --verbose "$ref"
	await_child "$child" '^running'
	kill -USR1 "$real"
	finish "$child" 10000
	expect_status 0
	[ "$(tail -n 1 child.out)" = "ok wait" ] || fail "$(cat child.out)"
	by_tcp=$(grep -c 'pages come by TCP: ' child.err)
	[ "$by_tcp" = $((more < 3)) ] || fail "$(cat child.err)"
	# And it has nothing to do.
	ran=$(cut -d ' ' -f 1 "/proc/$shadow/schedstat")
	for ((i = 0; i < 20; i++)); do
		run_child 5000 --how nothing "$ref"
	done
	ran=$(($(cut -d ' ' -f 1 "/proc/$shadow/schedstat") - ran))
	[ "$ran" -ge 0 ] && [ "$ran" -lt 20000000 ] || fail "it ran for $((ran / 1000000)) ms"
	end_parent
done
