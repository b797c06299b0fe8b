#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# Two nodes with different kernels. A program that has a vDSO is refused, since the other kernel's
# differs; where the kernels give none (vdso=0) it goes on, both ways: the modules understand each other.

# shellcheck source-path=SCRIPTDIR source=kernel.sh
. "$(dirname "$0")/kernel.sh"

need_kernels
[ "${#versions[@]}" -ge 2 ] || skip "needs two kernels with installed headers that a lab can boot"
first=${versions[0]}
last=${versions[-1]}
build_module "$first"
build_module "$last"

# both_ways STATUS WHAT STATE CHECK: a child of each node's parent on the other; the last one's output in out and err
both_ways() {
	local parent_node child_node
	for parent_node in node1 node2; do
		child_node=node$((3 - ${parent_node#node}))
		doing="$2, parent on $parent_node"
		remote_state "$3" "$parent_node"
		expect "$1" lab exec --timeout 60 "$child_node" -- "$child_tool" "$ref"
		cp err child.err
		$4
		end_remote_state
	done
}
refused() {
	expect_message "this kernel's vDSO differs from the parent's: both need the same kernel build"
	[ ! -s out ] || fail "it ran: $(cat out)"
}
went_on() { grep -qx 'ok fork' out || fail "$(cat out)"; }

# lab_of OPTION...: both kernels, both modules
lab_of() {
	doing="$first and $last${*:+, $*}"
	lab_up -n 2 --memory 512M --kernel "$first" --kernel node2="$last" "$@"
	load_module timeout_ms=$((10000 * patience)) idle_ms=1000
	expect 0 lab exec all 'uname -r'
	said out "^node1: $first\$"
	said out "^node2: $last\$"
}

lab_of
both_ways 125 refused data refused
await 30000 settled
unload_module
expect 0 lab down

lab_of --append vdso=0
both_ways 0 "without vDSO" fork went_on
read_counters
[ "$(counter node1 read_pages)" -gt 0 ] && [ "$(counter node2 read_pages)" -gt 0 ] || fail "no page came by RDMA"
await 30000 settled
unload_module
expect 0 lab down
exit 0
