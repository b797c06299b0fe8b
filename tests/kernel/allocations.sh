#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# Without memory for it a request is refused, or a page is lost, but nothing is wrong and nothing leaks:
# each allocation of a snapshot (snapshot.c) and of a child (failing.c) fails once, and then any of a fuzzer
# (fuzz-ioctl.c) now and then. Needs a kernel with fault injection, which distributions do not ship:
# MITOSIS_LAB_KERNELS names the directory of one. What kernel threads do on behalf of connections is left
# out: there soft-RoCE's own clean-up fails, of Linux 6.1 at least (timers of a queue pair half made).

# shellcheck source-path=SCRIPTDIR source=kernel.sh
. "$(dirname "$0")/kernel.sh"

need_kernels
seconds=${FUZZ_SECONDS:-20}
uuid=0d5f7a2b9c1e4c3fa86b51d2e7904c18

injecting=()
for version in "${versions[@]}"; do
	dir=$(build_directories | grep -F -m 1 "/lib/modules/$version/build")
	! grep -qx CONFIG_FAULT_INJECTION_DEBUG_FS=y "$dir/.config" || injecting+=("$version")
done
[ "${#injecting[@]}" != 0 ] || skip "no kernel with fault injection (CONFIG_FAULT_INJECTION_DEBUG_FS)"

# Copies to user space are among what fails in turn, and without its rseq area a thread is killed.
no_rseq=GLIBC_TUNABLES=glibc.pthread.rseq=0
# Those that may sleep, and single pages, are left out unless this is said.
fail_any='
for kind in failslab fail_page_alloc; do
	cd /sys/kernel/debug/$kind && echo N >ignore-gfp-wait && echo Y >task-filter && echo 0 >verbose || exit
done
echo 0 >/sys/kernel/debug/fail_page_alloc/min-order
echo N >/sys/kernel/debug/fail_page_alloc/ignore-gfp-highmem'
# In 1 of 50 allocations of the tasks that asked for it.
fail_now_and_then='
for kind in failslab fail_page_alloc; do
	cd /sys/kernel/debug/$kind && echo 2 >probability && echo -1 >times || exit
done'
no_more='
echo 0 >/sys/kernel/debug/failslab/probability
echo 0 >/sys/kernel/debug/fail_page_alloc/probability'

for version in "${injecting[@]}"; do
	doing=$version
	build_module "$version"
	lab_up -n 2 --kernel "$version"
	load_module timeout_ms=$((10000 * patience)) idle_ms=200
	read_counters	# mounts debugfs
	expect 0 lab exec --timeout 60 all "$fail_any"

	doing="$version, a snapshot's allocations"
	rm -f hold
	mkfifo hold || broken "mkfifo"
	"$tool" exec --timeout $((900 * patience)) --env $no_rseq node1 -- "$build_dir/tests/kernel/snapshot" "$uuid" --size 4 --fail \
		<hold >parent.out 2>parent.err &
	parent=$!
	pids+=("$parent")
	exec {hold_fd}>hold
	parent_is_ready() { grep -q '^ready$' parent.out || gone "$parent"; }
	await 300000 parent_is_ready
	said parent.out '^allocations [1-9][0-9]*, refused [1-9]'
	grep '^allocations' parent.out
	read -r _ address port < <(grep '^endpoint ' parent.out)

	doing="$version, a child's allocations"
	lab exec --timeout 280 --env $no_rseq node2 "'$build_dir/tests/kernel/failing' $uuid $address $port" >failing.out 2>failing.err ||
		fail "status $?: $(cat failing.out)"
	cat failing.out

	doing="$version, now and then"
	# From memory: the file system of the nodes does not bear that its own allocations fail either.
	expect 0 lab exec --timeout 60 node2 "cp '$build_dir/tests/kernel/fuzz-ioctl' /run/"
	expect 0 lab exec --timeout 60 all "$fail_now_and_then"
	# The fuzzer's own memory fails, too, so that a signal may end it; and a kind of request may never be
	# granted. One run in a few comes to its end.
	complete=0
	for run in 1 2 3 4 5 6; do
		doing="$version, now and then, run $run"
		status=0
		lab exec --timeout $((seconds + 120)) --env FUZZ_MAKE_IT_FAIL=1 node2 \
			"/run/fuzz-ioctl $uuid $address $port $((seconds / 4)) ${FUZZ_SEED:-}" \
			>fuzz.out 2>fuzz.err || status=$?
		[ "$status" -le 1 ] || [ "$status" -ge 128 ] || fail "status $status: $(cat fuzz.out)"
		! grep -q '^close ' fuzz.out || complete=$((complete + 1))
		[ "$complete" -lt 2 ] || break
	done
	[ "$complete" -gt 0 ] || fail "no run came to its end: $(cat fuzz.out)"
	expect 0 lab exec --timeout 60 all "$no_more"

	doing="$version, $(head -n 1 fuzz.out), afterwards"
	expect 0 lab exec --timeout 120 --env $no_rseq node2 "'$build_dir/tests/kernel/failing' $uuid $address $port"
	exec {hold_fd}>&-
	hold_fd=
	finish "$parent" 60000
	[ "$status" = 0 ] || fail "the parent's status is $status"
	await 30000 settled
	unload_module
	expect 0 lab down
done
exit 0
