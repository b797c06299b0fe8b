#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# The memory of a child behaves like the anonymous memory that it stands for (semantics.c): first the
# checks themselves on anonymous memory, then on a snapshot of another node, with and without reading
# ahead, shared and private.

# shellcheck source-path=SCRIPTDIR source=kernel.sh
. "$(dirname "$0")/kernel.sh"

need_kernels
semantics=$build_dir/tests/kernel/semantics
checks=100	# at least

# run_semantics ARGUMENT...: on node2; no check is wrong, and none is missing
run_semantics() {
	expect 0 lab exec --timeout 170 node2 "cd /tmp && $environment '$semantics' $*"
	[ "$(grep -c '^ok' out)" -ge "$checks" ] || fail "only $(grep -c '^ok' out) checks: $(cat out)"
	! grep '^WRONG' out || fail "see above"
}

for version in "${versions[@]}"; do
	doing=$version
	build_module "$version"
	lab_up -n 2 --kernel "$version"
	load_module timeout_ms=$((20000 * patience)) idle_ms=200

	doing="$version, anonymous memory"
	environment=
	run_semantics anonymous
	rm -f hold
	mkfifo hold || broken "mkfifo"
	"$tool" exec --timeout $((300 * patience)) node1 -- "$semantics" parent <hold >parent.out 2>parent.err &
	parent=$!
	pids+=("$parent")
	exec {hold_fd}>hold
	await 60000 grep -q . parent.out
	read -r uuid address port <parent.out
	# MITOSIS_OPEN_PRIVATE is 1, MITOSIS_OPEN_POLL 2: shared and sleeping, or alone and spinning.
	for environment in "" "SEMANTICS_WINDOW=0 SEMANTICS_FLAGS=3"; do
		doing="$version, a snapshot${environment:+, $environment}"
		run_semantics open "$uuid" "$address" "$port"
	done
	exec {hold_fd}>&-
	hold_fd=
	finish "$parent" 30000
	[ "$status" = 0 ] || fail "the parent's status is $status: $(cat parent.err)"

	doing="$version, put back"
	await 30000 settled
	unload_module
	expect 0 lab down
done
exit 0
