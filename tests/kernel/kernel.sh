# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# shellcheck shell=bash
# kernel.sh - what the tests of the kernel module share: building it, loading it in a lab's nodes.

# shellcheck source-path=SCRIPTDIR/.. source=../lab/lab.sh
. "$(dirname "$0")/../lab/lab.sh"

kmod_dir=$tests_dir/../kmod

# What modules for a kernel are built in: installed, or in a directory that MITOSIS_LAB_KERNELS names.
build_directories() {
	local roots=${MITOSIS_LAB_KERNELS:-} root dir
	for root in "" ${roots//:/ }; do
		for dir in "$root"/lib/modules/*/build; do
			[ ! -e "$dir/Makefile" ] || echo "$dir"
		done
	done
}

# Kernels that have one, or those that $KERNELS names.
kernels_with_headers() {
	local dir
	if [ -n "${KERNELS:-}" ]; then
		printf '%s\n' $KERNELS
		return
	fi
	for dir in $(build_directories); do
		basename "$(dirname "$dir")"
	done
}

# build_module VERSION [DIRECTORY]: its path is left in $module. The tests share what was built in the
# build directory, since building it takes longer than most of them.
build_module() {
	local dir=${2:-$build_dir/tests/kernel/kmod-$1} lock from
	from=$(build_directories | grep -F -m 1 "/lib/modules/$1/build") || broken "no headers of kernel $1"
	need_command flock
	mkdir -p "$dir" || broken "cannot make $dir"
	exec {lock}>"$dir/lock"
	flock -w 600 "$lock" || broken "$dir/lock is held by another test"
	cp -rfu --preserve=timestamps "$kmod_dir/." "$dir" && chmod -R u+w "$dir" || broken "cannot copy $kmod_dir"
	"$bin_dir/mitosis-child" --version | sed -n '1s/.*(mitosis-exp \(.*\))/\1/p' >"$dir/VERSION"
	# Without the flags and the job server of "make check".
	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -s -C "$dir" KDIR="$from" W=1 >"$dir/log" 2>&1 || {
		tail -n 30 "$dir/log" >&2
		fail "the module does not compile for $1"
	}
	exec {lock}>&-
	module=$dir/mitosis.ko
	[ -s "$module" ] || fail "no module for $1"
}

nodes="node1 node2"	# that are up

# load_module PARAMETER...: into every node of the lab, each gets that of its kernel
load_module() {
	expect 0 lab exec --timeout 60 all "modprobe rdma_cm && insmod '$build_dir/tests/kernel/kmod-'\$(uname -r)/mitosis.ko $*"
	expect 0 lab exec all 'test -c /dev/mitosis'
}

# unload_module: it must go, with counters that are equal in pairs and a clean kernel log
unload_module() {
	local up=${nodes// /,}
	read_counters
	equal_pairs
	expect 0 lab exec --timeout 60 "$up" 'rmmod mitosis'
	scan_for_leaks "$up"
	expect 0 lab exec "$up" dmesg
	! grep -E 'BUG|WARNING|KASAN:|INFO: |possible recursive|circular locking|suspected memory leak' out ||
		fail "the kernel complains: $(cat leaks)"
}

# Where the kernel has kmemleak. What is younger than 5 s it does not count, hence the pause.
scan_for_leaks() {
	expect 0 lab exec --timeout 120 "$1" '[ ! -e /sys/kernel/debug/kmemleak ] || {
		echo scan >/sys/kernel/debug/kmemleak && sleep 6 && echo scan >/sys/kernel/debug/kmemleak &&
		cat /sys/kernel/debug/kmemleak; }'
	cp out leaks
}

# counter NODE NAME: from the last unload_module or read_counters
counter() { awk -v node="$1:" -v name="$2" '$1 == node && $2 == name { print $3 }' counters; }

read_counters() {
	expect 0 lab exec --timeout 60 "${nodes// /,}" "mountpoint -q /sys/kernel/debug ||
			mount -t debugfs none /sys/kernel/debug
		cat /sys/kernel/debug/mitosis/counters"
	# A single node's output bears no name.
	sed "/^node/!s/^/$nodes: /" out >counters
}

# What was made has ended, on all nodes. Connections are kept for a while (parameter idle_ms).
equal_pairs() {
	local node pair a b
	for node in $nodes; do
		for pair in snapshots_made:snapshots_released pages_held:pages_put regions_made:regions_freed \
			reads_begun:reads_ended inodes_made:inodes_freed files_opened:files_closed \
			mms_made:mms_freed remotes_made:remotes_freed connections_made:connections_closed \
			served_made:served_closed bench_made:bench_ended; do
			a=$(counter "$node" "${pair%:*}")
			b=$(counter "$node" "${pair#*:}")
			[ -n "$a" ] && [ "$a" = "$b" ] || fail "$node: ${pair%:*} $a, ${pair#*:} $b"
		done
	done
}
settled() { (read_counters; equal_pairs) >/dev/null 2>&1; }

# remote_parent COMMAND...: on node1, in the background; its reference is left in $ref
remote_parent() {
	: >parent.out
	: >parent.err
	"$tool" exec --timeout $((120 * patience)) node1 -- "$@" >parent.out 2>parent.err </dev/null &
	parent=$!
	pids+=("$parent")
	await 30000 grep -q '^mitosis+rdma://' parent.out
	ref=$(grep -m 1 '^mitosis+rdma://' parent.out)
}

# remote_state NAME [NODE]: the parent program of a state (tests/user/state.c) on node1, held by a pipe
remote_state() {
	local node=${2:-node1}
	rm -f hold
	mkfifo hold || broken "mkfifo"
	: >parent.out
	: >parent.err
	MITOSIS_TEST_ENGINE=kernel MITOSIS_TEST_LISTEN=10.77.0.${node#node} "$tool" exec --timeout $((300 * patience)) "$node" -- "$state_tool" "$1" \
		<hold >parent.out 2>parent.err &
	parent=$!
	pids+=("$parent")
	exec {hold_fd}>hold
	await 60000 grep -q '^mitosis+rdma://' parent.out
	ref=$(grep -m 1 '^mitosis+rdma://' parent.out)
}

end_remote_state() {
	exec {hold_fd}>&-
	hold_fd=
	finish "$parent" 60000
	[ "$status" = 0 ] || fail "the parent's status is $status: $(cat parent.err)"
}

# Kernels to test with: a lab can boot them, and the module compiles for them.
need_kernels() {
	local version
	versions=()
	while read -r version; do
		! lab kernels 2>/dev/null | cut -f 1 | grep -qx "$version" || versions+=("$version")
	done < <(kernels_with_headers)
	[ "${#versions[@]}" != 0 ] || skip "no kernel with installed headers (linux-headers-amd64) that a lab can boot"
}
