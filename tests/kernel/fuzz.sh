#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# Requests of the whole uapi at random (fuzz-ioctl.c): the node stays healthy, what a child reads is right
# afterwards, nothing is left. Users without privilege get nothing at all.
#
#	FUZZ_SECONDS=300 FUZZ_SEED=0x1234 tests/kernel/fuzz.sh

# shellcheck source-path=SCRIPTDIR source=kernel.sh
. "$(dirname "$0")/kernel.sh"

need_kernels
seconds=${FUZZ_SECONDS:-10}

for version in "${versions[@]}"; do
	doing=$version
	build_module "$version"
	lab_up -n 2 --kernel "$version"
	load_module timeout_ms=$((5000 * patience)) idle_ms=200

	doing="$version, another user"
	expect 1 lab exec node2 'setpriv --reuid 65534 --regid 65534 --clear-groups dd if=/dev/mitosis count=0'
	said err 'Permission denied'

	doing="$version, a snapshot"
	rm -f hold
	mkfifo hold || broken "mkfifo"
	"$tool" exec --timeout $((900 * patience)) node1 -- "$build_dir/tests/kernel/semantics" parent <hold >parent.out 2>parent.err &
	parent=$!
	pids+=("$parent")
	exec {hold_fd}>hold
	await 60000 grep -q . parent.out
	read -r uuid address port <parent.out

	doing="$version, requests"
	lab exec --timeout $((seconds + 120)) node2 \
		"'$build_dir/tests/kernel/fuzz-ioctl' $uuid $address $port $seconds ${FUZZ_SEED:-}" >fuzz.out 2>fuzz.err ||
		fail "status $?: $(cat fuzz.out)"
	[ -z "${FUZZ_SECONDS:-}" ] || cat fuzz.out
	doing="$version, $(head -n 1 fuzz.out), afterwards"
	expect 0 lab exec --timeout 170 node2 "cd /tmp && '$build_dir/tests/kernel/semantics' open $uuid $address $port"
	! grep '^WRONG' out || fail "see above"

	exec {hold_fd}>&-
	hold_fd=
	finish "$parent" 30000
	await 30000 settled
	unload_module
	expect 0 lab down
done
exit 0
