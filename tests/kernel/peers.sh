#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# Who connects to the module that serves a snapshot (peer.c): one who knows the UUID reads exactly what
# was there when it was taken (snapshot.c), others are refused, forged keys read nothing, what is not of
# the protocol ends the connection, and a released snapshot is unreadable when release returns.

# shellcheck source-path=SCRIPTDIR source=kernel.sh
. "$(dirname "$0")/kernel.sh"

need_kernels
snapshot=$build_dir/tests/kernel/snapshot
peer=$build_dir/tests/kernel/peer
uuid=6f1c44ec7d0b4b4e93a86a3a8c0c6d51

run_peer() {
	expect 0 lab exec --timeout 120 node2 "'$peer' $address $port $uuid $1"
	said out '^ok$'
}

for version in "${versions[@]}"; do
	doing=$version
	build_module "$version"
	lab_up -n 2 --kernel "$version"
	load_module idle_ms=200 served_max=16

	doing="$version, a snapshot"
	rm -f hold
	mkfifo hold || broken "mkfifo"
	"$tool" exec --timeout $((300 * patience)) node1 -- "$snapshot" "$uuid" --size 16 --repeat 3 <hold >parent.out 2>parent.err &
	parent=$!
	pids+=("$parent")
	exec {hold_fd}>hold
	parent_is_ready() { grep -q '^ready$' parent.out || gone "$parent"; }
	await 60000 parent_is_ready
	said parent.out '^ready$'
	read -r _ address port < <(grep '^endpoint ' parent.out)
	for test in read hello messages open access many; do
		doing="$version, $test"
		run_peer "$test"
	done
	doing="$version, the same UUID again"
	echo again >&"$hold_fd"
	await 10000 grep -q '^again: File exists$' parent.out
	doing="$version, all is readable as before"
	run_peer read

	doing="$version, released"
	rm -f go
	mkfifo go || broken "mkfifo"
	"$tool" exec --timeout $((120 * patience)) node2 -- "$peer" "$address" "$port" "$uuid" released <go >peer.out 2>peer.err &
	client=$!
	pids+=("$client")
	exec {go_fd}>go
	await 30000 grep -q '^opened$' peer.out
	echo release >&"$hold_fd"
	await 30000 grep -q '^released$' parent.out
	echo read >&"$go_fd"
	exec {go_fd}>&-
	finish "$client" 60000
	[ "$status" = 0 ] || fail "status $status: $(cat peer.out)"

	exec {hold_fd}>&-
	hold_fd=
	finish "$parent" 30000
	[ "$status" = 0 ] || fail "the parent's status is $status"
	doing="$version, put back"
	await 30000 settled
	unload_module
	expect 0 lab down
done
exit 0
