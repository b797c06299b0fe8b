#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# What a host that claims to have a snapshot can do to those who open it (host.c): answers that are not of the
# protocol are refused, keys that do not open what they promise lose the child's page and no more, and memory of
# the client cannot be reached through its own connection, not even what it serves itself.

# shellcheck source-path=SCRIPTDIR source=kernel.sh
. "$(dirname "$0")/kernel.sh"

need_kernels
host=$build_dir/tests/kernel/host
uuid=3c9d2e81f07a4b55b1642a9c7d5e0f38
port=7555

# with MODE [RKEY PAGE]...: a host of that kind on node1, and node2 opens its snapshot; leaves out
with() {
	doing="$version, $1"
	: >host.out
	"$tool" exec --timeout $((200 * patience)) node1 -- "$host" serve $port $uuid "$@" >host.out 2>host.err </dev/null &
	server=$!
	pids+=("$server")
	await 30000 has_line host.out '^listening$'
	expect 0 lab exec --timeout 100 node2 -- "$host" open $uuid 10.77.0.1 $port $((${limit:-5000} * patience))
	kill "$server"
	finish "$server" 30000
	port=$((port + 1))
}

# What is accepted does not depend on the kernel: KERNELS names others than the newest.
[ "${KERNELS:-}" ] || versions=("${versions[-1]}")
for version in "${versions[@]}"; do
	build_module "$version"
	doing=$version
	lab_up -n 2 --kernel "$version"
	load_module idle_ms=200

	with good
	said out '^read$'
	for mode in pieces chunks length wrap tail unaligned far descending empty reserved pages reason refusal \
		type version short long key; do
		with $mode
		said out '^refused: E'
		outcome="${outcome:-} $mode=$(sed -n 's/^refused: //p' out)"
	done
	echo "$outcome"
	with page-key
	said out '^lost at 0x100000, error 0$'

	doing="$version, what node2 serves"
	rm -f hold
	mkfifo hold || broken "mkfifo"
	"$tool" exec --timeout $((300 * patience)) node2 -- "$build_dir/tests/kernel/snapshot" $uuid --size 8 <hold >parent.out 2>parent.err &
	parent=$!
	pids+=("$parent")
	exec {hold_fd}>hold
	parent_is_ready() { grep -q '^ready$' parent.out || gone "$parent"; }
	await 60000 parent_is_ready
	read -r _ address own_port < <(grep '^endpoint ' parent.out)
	expect 0 lab exec --timeout 60 node1 -- "$build_dir/tests/kernel/peer" "$address" "$own_port" $uuid keys
	mapfile -t keys < <(sed -n 's/^key //p' out)
	[ "${#keys[@]}" -ge 2 ] || fail "no keys: $(cat out)"
	# shellcheck disable=SC2086 # pairs of words
	limit=60000 with reach ${keys[*]}
	said out '^read$'
	[ "$(grep -c '^reach' host.out)" = $(((${#keys[@]} + 8) * 2)) ] || fail "$(cat host.out)"
	! grep '^reach' host.out | grep -v 'remote access error' || fail "a READ or WRITE was not refused as it must be"
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
