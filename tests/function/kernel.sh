#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# A function in Python on one kernel, its children on another one, with memory that RDMA brings: their
# result is the parent's, with a recorded working set too, and nothing is left in the module.
# shellcheck source-path=SCRIPTDIR source=../kernel/kernel.sh
. "$(dirname "$0")/../kernel/kernel.sh"

need_kernels
need_python
function=$bin_dir/mitosis-function
export MITOSIS_EXP_DIR=${MITOSIS_EXP_DIR:-$tests_dir/../share/mitosis-exp}

# serve NAME: its parent, on node1, until $parent is told to end; leaves $ref
serve() {
	: >parent.out
	: >parent.err
	"$tool" exec --timeout 600 node1 -- env MITOSIS_EXP_DIR="$MITOSIS_EXP_DIR" "$function" "$1" --serve \
		--engine kernel --listen 10.77.0.1 >parent.out 2>parent.err </dev/null &
	parent=$!
	pids+=("$parent")
	await 120000 grep -q '^mitosis+rdma://' parent.out
	ref=$(grep -m 1 '^mitosis+rdma://' parent.out)
}

# One kernel: what differs between them is for tests/kernel.
version=${versions[0]}
build_module "$version"
lab_up -n 2 --kernel "$version"
load_module timeout_ms=10000
name=json
! "$python" -c 'import PIL' 2>/dev/null || name=image
serve $name
expect 0 lab exec --timeout 300 node2 -- env MITOSIS_EXP_DIR="$MITOSIS_EXP_DIR" "$function" $name \
	--phase cold,child,replay --count 1 --warmup 0 --from "$ref"
[ "$(grep -c "^$name	kernel	" out)" = 3 ] || fail "$(cat out)"
[ "$(grep "^$name	" out | cut -f 12 | sort -u | wc -l)" = 1 ] || fail "results differ: $(cat out)"
read_counters
(($(counter node2 read_pages) > 100)) || fail "nothing came by RDMA"
kill -TERM "$parent"
finish "$parent" 60000
doing="put back"
await 60000 settled
unload_module
exit 0
