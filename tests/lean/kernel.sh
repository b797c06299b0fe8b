#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# Children of engine kernel, over soft-RoCE, and of engine user, each in a lean container of the other
# node. KERNELS names other kernels than the newest.

# shellcheck source-path=SCRIPTDIR source=../kernel/kernel.sh
. "$(dirname "$0")/../kernel/kernel.sh"

need_kernels
[ -n "${KERNELS:-}" ] || versions=("$(printf '%s\n' "${versions[@]}" | sort -V | tail -n 1)")
# in_node2 COMMAND: with the tools of the build
in_node2() { lab exec --timeout 120 node2 "export MITOSIS_LEAN_DIR=/run/lean && cd '$build_dir/bin' && $*"; }

for version in "${versions[@]}"; do
	doing=$version
	build_module "$version"
	lab_up -n 2 --kernel "$version"
	load_module timeout_ms=5000
	expect 0 in_node2 "./mitosis-leanprep create t --rootfs closure:/bin/sh --memory 64M --pids 20"

	doing="$version, engine kernel"
	remote_state data
	expect 0 in_node2 "./mitosis-leanrun t --child '$ref'"
	said out '^ok data$'
	read_counters
	[ "$(counter node2 read_pages)" -gt 0 ] || fail "no page came by RDMA"
	expect 0 in_node2 "./mitosis-leanrun t --child '$ref' -n 4 --parallel 2"
	[ "$(grep -c '^t	run	2	[0-3]	[1-9][0-9]*	[1-9][0-9]*	[1-9][0-9]*	0' out)" = 4 ] || fail "the records are $(<out)"
	expect 0 in_node2 "./mitosis-leanrun t --child '$ref' -n 3 --pool 2"
	doing="$version, engine user"
	expect 0 in_node2 "./mitosis-leanrun t --child '$ref' -- --engine user --mode demand"
	said out '^ok data$'
	end_remote_state

	doing="$version, put back"
	expect 0 in_node2 "./mitosis-leanprep rm t"
	await 30000 settled
	unload_module
	expect 0 lab down
done
exit 0
