#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# What can go wrong while a child depends on another host: its parent or the snapshot ends, the module
# is to go, queue pairs fail, the wire is cut, RDMA devices vanish, memory is short, a host loses its
# power. The child goes on with the right bytes, or ends by SIGBUS in time and its supervisor names
# the reason; afterwards the nodes are as before.
#
# All of it with the first kernel. With others, for the sake of time, what depends on the kernel's own
# soft-RoCE and page cache; FAULTS="cut devices" names those that are to be seen with each kernel.

# shellcheck disable=SC2317 # await calls functions
# shellcheck source-path=SCRIPTDIR source=kernel.sh
. "$(dirname "$0")/kernel.sh"

need_kernels
timeout=$((3 * patience))		# s, of each child
parameters="timeout_ms=$((10000 * patience)) idle_ms=1000"
margin=5		# s, that a busy host may add
faults="snapshot_ends module_in_use queue_pair cut devices memory power"
gone="the snapshot is gone: released, or its parent ended"

# on_node NODE COMMAND: it must succeed
on_node() { expect 0 lab exec --timeout 60 "$1" "$2"; }

# remote_child NODE OPTION...: in the background; the process is left in $real
remote_child() {
	local node=$1
	shift
	background child.out child.err "$tool" exec --timeout $((120 * patience)) "$node" -- \
		"$child_tool" --timeout ${timeout}s "$@" "$ref"
	child=$!
	pids+=("$child")
	await_running
}

# Started on a busy emulated node it takes a moment; but if it hangs it is to be seen where.
await_running() {
	(await 120000 child_runs_or_ended) || fail "it does not run: $(where_it_hangs)"
	has_line child.out '^running' || fail "it ended: $(how_it_ended)"
	real=$(sed -n 's/^running //p' child.out)
}
child_runs_or_ended() { has_line child.out '^running' || gone "$child"; }
how_it_ended() {
	finish "$child" 1000
	echo "status $status: $(cat child.out child.err) $(lab exec --timeout 60 node2 'dmesg | tail -n 20' 2>&1 </dev/null)"
}
where_it_hangs() {
	lab exec --timeout 60 node2 'cat /sys/kernel/debug/mitosis/children
		for pid in $(pidof mitosis-child state); do
			echo "$pid $(cat /proc/$pid/comm): $(cat /proc/$pid/stack)"
		done
		dmesg | tail -n 20' 2>&1 </dev/null
}

# A child that has nearly everything to fetch, and begins when it is told to.
waiting_child() {
	remote_state wait
	remote_child node2 --no-push --window 1 "$@"
}
go() { on_node node2 "kill -USR1 $real"; }

# It goes on, with the right bytes.
child_is_well() {
	finish "$child" 30000
	[ "$status" = 0 ] || fail "the child's status is $status: $(cat child.out child.err)"
	grep -qx 'ok wait' child.out || fail "$(cat child.out)"
}

# child_is_lost REASON: SIGBUS, in time
child_is_lost() {
	finish "$child" $(((timeout + margin) * 1000))
	[ "$status" = 135 ] || fail "the child's status is $status, not 135: $(cat child.out child.err)"
	expect_message "the page at 0x"
	expect_message " cannot be had: $1"
	[ "$(grep -c 'cannot be had' child.err)" = 1 ] || fail "more than one message"
	! grep -q '^ok' child.out || fail "the child went on without its memory"
}

# A new parent and a new child.
all_is_well() {
	waiting_child
	go
	child_is_well
	end_remote_state
}

snapshot_ends() {
	doing="$version, parent killed"
	waiting_child
	on_node node1 'kill -KILL $(pidof state)'
	finish "$parent" 10000
	exec {hold_fd}>&-
	hold_fd=
	go
	child_is_lost "$gone"

	doing="$version, snapshot released"
	waiting_child
	on_node node1 "'$bin_dir/mitosis-ls' --release '$ref'"
	go
	child_is_lost "$gone"
	end_remote_state

	doing="$version, released when all is here"
	remote_state wait
	remote_child node2 --mode eager
	on_node node1 "'$bin_dir/mitosis-ls' --release '$ref'"
	go
	child_is_well
	end_remote_state
}

module_in_use() {
	doing="$version, module in use"
	waiting_child
	for node in node1 node2; do
		expect 1 lab exec "$node" 'rmmod mitosis'
		said err 'Module mitosis is in use'
	done
	go
	child_is_well
	end_remote_state

	# Nobody is at that address, and who asked for it has gone before that is known.
	doing="$version, removed while a connection is tried"
	expect 137 lab exec --timeout 60 node3 \
		"timeout -s KILL 1 '$build_dir/tests/kernel/semantics' open $(printf '%032d' 1) 10.77.0.99 7471"
	on_node node3 "rmmod mitosis && dmesg && insmod '$build_dir/tests/kernel/kmod-$version/mitosis.ko' $parameters"
	! grep -q 'WARNING' out || fail "the kernel complains: $(grep -A 5 WARNING out)"
}

# The state "slow" reads page by page: there is always a READ, or soon one.
queue_pair() {
	doing="$version, queue pairs fail"
	waiting_child
	read_counters
	before=$(counter node2 reconnects)
	on_node node2 "kill -USR1 $real
		for i in 1 2 3 4 5 6; do
			sleep 0.1
			echo 1 >/sys/kernel/debug/mitosis/fail_connections || exit
		done"
	child_is_well
	read_counters
	(($(counter node2 reconnects) > before)) || fail "no queue pair was replaced"
	end_remote_state
}

cut() {
	# Without netem the cable is pulled, which the node sees.
	no_wire=loss=100%
	lab kernels 2>/dev/null | awk -F '\t' -v v="$version" '$1 == v && $3 == "yes" { found = 1 } END { exit !found }' ||
		no_wire=down
	doing="$version, wire cut for 2 s"
	timeout=$((10 * patience)) waiting_child
	expect 0 lab link node1 "$no_wire"
	go
	sleep 2		# the length of the cut itself
	expect 0 lab link node1 up
	child_is_well
	end_remote_state

	doing="$version, wire cut for ever"
	waiting_child
	expect 0 lab link node1 "$no_wire"
	go
	child_is_lost "no answer from the parent's host in time"
	# Whoever comes now is told, too, and not kept waiting.
	expect 125 lab exec --timeout 60 node2 -- "$child_tool" --timeout ${timeout}s "$ref"
	said err 'cannot connect'
	expect 0 lab link node1 up
	end_remote_state

	# Its end does not wait for the pages that it waited for.
	doing="$version, killed while the wire is cut"
	timeout=600 waiting_child
	expect 0 lab link node1 "$no_wire"
	go
	await 30000 reads_wait
	on_node node2 "kill -KILL $real"
	finish "$child" 60000
	[ "$status" = 137 ] || fail "the child's status is $status, not 137: $(cat child.out child.err)"
	expect 0 lab link node1 up
	end_remote_state
	all_is_well
}
reads_wait() {
	read_counters
	[ "$(counter node2 reads_begun)" != "$(counter node2 reads_ended)" ]
}

device_again() { on_node "$1" 'rdma link add rxe0 type rxe netdev eth0'; }

devices() {
	doing="$version, child's device gone"
	waiting_child
	on_node node2 'rdma link del rxe0'
	go
	child_is_lost "the RDMA device is gone, or there is none"
	expect 125 lab exec --timeout 60 node2 -- "$child_tool" --timeout ${timeout}s "$ref"
	said err 'cannot reach its memory by RDMA: the RDMA device is gone, or there is none'

	doing="$version, child's device back in time"
	device_again node2
	remote_child node2 --no-push --window 1
	on_node node2 "rdma link del rxe0; kill -USR1 $real; sleep 1; rdma link add rxe0 type rxe netdev eth0"
	child_is_well
	end_remote_state

	doing="$version, parent's device gone"
	waiting_child
	on_node node1 'rdma link del rxe0'
	go
	child_is_lost "$gone"
	device_again node1
	end_remote_state
	all_is_well
}

# in_cgroup BYTES: the next child's; the kernel ends only what is in it
memory() {
	doing="$version, little memory, pages read"
	on_node node2 'echo +memory >/sys/fs/cgroup/cgroup.subtree_control && mkdir /sys/fs/cgroup/small &&
		echo 4M >/sys/fs/cgroup/small/memory.max'
	remote_state wait
	background child.out child.err "$tool" exec --timeout $((120 * patience)) node2 \
		"echo \$\$ >/sys/fs/cgroup/small/cgroup.procs && exec '$child_tool' --timeout 20s '$ref'"
	child=$!
	pids+=("$child")
	await_running
	# 8 MiB go through 4 MiB, and come again.
	go
	finish "$child" 60000
	[ "$status" = 0 ] || fail "the child's status is $status: $(cat child.out child.err)"
	grep -qx 'ok wait' child.out || fail "$(cat child.out)"
	end_remote_state

	# 1 MiB of them, which nothing can make room for, beside what else the child needs.
	doing="$version, little memory, pages written"
	remote_state threads-same
	expect 137 lab exec --timeout 60 node2 \
		"echo \$\$ >/sys/fs/cgroup/small/cgroup.procs && echo 1M >/sys/fs/cgroup/small/memory.max &&
			exec '$child_tool' '$ref'"
	on_node node2 'grep oom_kill /sys/fs/cgroup/small/memory.events; rmdir /sys/fs/cgroup/small'
	said out '^oom_kill [1-9]'
	end_remote_state
	all_is_well
}

# The child's host, of which nobody hears any more; then the parent's.
power() {
	doing="$version, child's host without power"
	remote_state wait
	remote_child node3 --no-push --window 1
	expect 0 lab kill node3
	nodes="node1 node2"
	finish "$child" 20000
	await 30000 served_closed
	on_node node1 "'$bin_dir/mitosis-ls' --release '$ref'"
	end_remote_state
	await 30000 settled

	doing="$version, parent's host without power"
	waiting_child
	expect 0 lab kill node1
	nodes=node2
	go
	child_is_lost "no answer from the parent's host in time"
	finish "$parent" 10000
	exec {hold_fd}>&-
	hold_fd=
}
served_closed() {
	read_counters
	[ "$(counter node1 served_made)" = "$(counter node1 served_closed)" ]
}

for version in "${versions[@]}"; do
	build_module "$version"
	doing=$version
	lab_up -n 3 --memory 512M --kernel "$version"
	nodes="node1 node2 node3"
	load_module $parameters
	for fault in ${FAULTS:-$faults}; do
		$fault
	done
	faults="queue_pair memory power"
	doing="$version, put back"
	await 30000 settled
	unload_module
	status=0
	lab down >down.out 2>down.err || status=$?
	[ "$status" = 0 ] || [ "$fault" = power ] || fail "mitosis-lab down: $(cat down.err)"
done
exit 0
