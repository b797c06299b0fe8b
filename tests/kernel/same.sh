#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# The correctness tests of engine user, with engine kernel: inside one node, whose module serves the
# parents' memory and opens it for the children, through soft-RoCE's way to itself.
#
#	SAME="data malloc" tests/kernel/same.sh		# these only
#	SAME=all tests/kernel/same.sh			# all, with each way of fetching; else a selection
#
# Not here: what looks at the TCP protocol or puts itself between (garbage, peer, refusals), at the pager
# (dead-pager, dead-shadow, leftovers, measure: faults.sh is about such ends), at users without
# privilege (unprivileged: /dev/mitosis is root's), at tools and files without a child's memory
# (blobs, check, ls, usage), and event-fork, which shows a property of userfaultfd.

# shellcheck disable=SC2317 # await calls functions
# shellcheck source-path=SCRIPTDIR source=kernel.sh
. "$(dirname "$0")/kernel.sh"

need_kernels
everything="data malloc brk mmap zeros stack protect reserve guards wiped thp sparse stripes writes
	files gone-file gone-short-file changed-file changed-file-at-once tls identity stdio descriptors surroundings confined elsewhere covered fpu clock
	eventfds timerfds signalfd epoll uring inotify ptys pipes socketpairs listeners udp plain-sockets connections
	memfd memfds sealed shared-memory shared-writer deleted numbers posix-timers thread-timer
	nested again exec handlers pending altstack timers
	dontneed mremap mremap-discard munmap kernel-access fork fork-threads raw-clone spawn
	threads threads-resize threads-wander threads-same push-race drain
	counter variants supervisor many cycles python python-ctypes python-module replay"
selection="data malloc brk mmap protect wiped files epoll listeners memfd shared-memory numbers dontneed mremap munmap fork
	threads drain python"
quick=yes		# two ways of fetching
case ${SAME:-} in
all) selection=$everything quick= ;;
?*) selection=$SAME quick= ;;
esac

for version in "${versions[@]}"; do
	build_module "$version"
	doing=$version
	lab_up -n 1 --smp 2 --kernel "$version"
	nodes=node1
	load_module timeout_ms=$((10000 * patience)) idle_ms=1000
	for test in $selection; do
		doing="$version, $test"
		begin=$(now_ms)
		status=0
		# Those of one state are links in the build directory.
		script=$build_dir/tests/user/$test.sh
		[ -e "$script" ] || script=$tests_dir/user/$test.sh
		MITOSIS_TEST_ENGINE=kernel MITOSIS_BUILDDIR=$build_dir MITOSIS_CYCLES=20 \
			lab exec --timeout 240 --env quick="$quick" node1 -- \
			bash "$script" >test.out 2>test.err || status=$?
		if [ "${SAME_KEEP_GOING:-}" ]; then
			echo "$version $test $status $(($(now_ms) - begin)) ms: $(tail -n 1 test.err)"
			[ "$status" = 0 ] || head -20 test.err
			continue
		fi
		[ "$status" = 0 ] || fail "status $status"
	done
	doing="$version, put back"
	await 30000 settled
	unload_module
	expect 0 lab down
done
exit 0
