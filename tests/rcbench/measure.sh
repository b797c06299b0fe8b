#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# mitosis-rcbench between two nodes, with each kernel: what it measures is all there and fits together, in user
# space and in the kernel, and nothing is left on either node.
#
# MITOSIS_CONNECTIONS says how many connections are made to find out whether each leaves something.

# shellcheck disable=SC2317 # await calls functions
# shellcheck source-path=SCRIPTDIR source=rcbench.sh
. "$(dirname "$0")/rcbench.sh"

need_kernels
many=${MITOSIS_CONNECTIONS:-400}
steps="create_id_ns resolve_addr_ns resolve_route_ns create_qp_ns connect_ns disconnect_ns destroy_ns"

# Each step was measured, and they are no more than the whole.
steps_fit() {
	local step
	for step in $steps; do
		[ "$(column out "$step" outcome=ok source=new | grep -vc '^[1-9][0-9]*$')" = 0 ] || fail "$step is missing"
	done
	awk -F '\t' -v steps="$steps verify_ns" '
		/^#/ { next }
		!n { for (i = 1; i <= NF; i++) at[$i] = i; n = split(steps, s, " "); next }
		$at["source"] == "new" && $at["total_ns"] != "NA" {
			sum = 0
			for (k = 1; k <= n; k++)
				sum += $at[s[k]]
			if (sum > $at["total_ns"]) {
				print "steps " sum ", total " $at["total_ns"]
				exit 1
			}
			checked++
		}
		END { exit !checked }' out >fit.err || fail "the steps are more than the whole"
}

# in_both FUNCTION: in user space and in the kernel
in_both() {
	for space in user kernel; do
		doing="$version, $space, $1"
		$1
	done
}

serial() {
	client --space $space --count 12 --threads 1,2 --verify
	is 12 out space=$space mode=serial depth=1 threads=1 thread=0 device=rxe0 server=node1 outcome=ok
	is 12 out space=$space mode=serial threads=2
	is 1 out threads=1 seq=11
	[ "$(column out verify_ns | grep -c '^[1-9]')" = 24 ] || fail "no message for each"
	steps_fit
}

pipelined() {
	client --space $space --count 40 --depth 4,16 --threads 2
	is 40 out mode=pipelined depth=4 outcome=ok
	is 40 out mode=pipelined depth=16 outcome=ok
	steps_fit
	client --space $space --count 40 --depth 8 --verify
	is 40 out mode=pipelined depth=8 outcome=ok
	[ "$(column out verify_ns | grep -c '^[1-9]')" = 40 ] || fail "no message for each"
}

pool() {
	client --space $space --reuse --depth 3 --threads 2 --count 500
	is 500 out source=pool depth=3 create_qp_ns=NA outcome=ok
	is 6 out source=new total_ns=NA outcome=ok
	[ "$(column out total_ns source=pool | grep -c '^[1-9]')" = 500 ] || fail "no time"
	client --space $space --reuse --count 20 --verify
	is 20 out source=pool outcome=ok
}

# An open loop of ten per second: the eleventh begins after a second, and what came late says so.
rate() {
	local begin
	begin=$(now_ms)
	client --space $space --rate 10 --count 11 --threads 2
	(($(now_ms) - begin >= 1000)) || fail "too early"
	is 11 out rate=10 outcome=ok
	awk -F '\t' '/^#/ { next } !at { for (i = 1; i <= NF; i++) if ($i == "late_ns") at = i; else if ($i == "total_ns") all = i; next }
		$at == "NA" || $at > $all { exit 1 }' out || fail "late_ns is missing, or more than the whole"
}

intervals() {
	client --space $space --duration 1s --interval 300ms --threads 2
	(($(count out thread=all) >= 3)) || fail "$(count out thread=all) intervals"
	is "$(count out thread=all)" out thread=1
	awk -F '\t' '/^#/ { next } !at { for (i = 1; i <= NF; i++) { if ($i == "thread") t = i; if ($i == "conns_per_s") at = i }; next }
		$t == "all" { if ((sum - $at)^2 > 1e-6) exit 1; made += $at; sum = 0; next }
		{ sum += $at }
		END { exit !made }' out || fail "the threads do not add up"
}

operations() {
	doing="$version, operations"
	client --op read,write,send --size 64,4K --outstanding 1,16 --count 64 --verify
	for op in read write send; do
		for size in 64 4096; do
			is 64 out op=$op size=$size outstanding=1 outcome=ok
			is 64 out op=$op size=$size outstanding=16 outcome=ok
		done
	done
	[ "$(column out total_ns | grep -vc '^[1-9]')" = 0 ] || fail "no time"
	client --op read --size 64K --duration 500ms --interval 200ms --json
	grep -q '"op":"read".*"bytes_per_s":[1-9]' out || fail "no throughput: $(head -n 5 out)"
}

# The server ends by itself, and has seen what the client has done.
once() {
	doing="$version, --once"
	start_server --once --threads 3
	client --count 30 --depth 8 --verify --threads 2
	finish "$server" 60000
	[ "$status" = 0 ] || fail "the server's status is $status: $(cat server.err)"
	for name in requests established messages disconnected; do
		[ "$(column server.out ${name}_count client=10.77.0.2 ended=done)" = 30 ] || fail "$name: $(cat server.out)"
	done
	for name in half_open lost refused busy; do
		[ "$(column server.out ${name}_count)" = 0 ] || fail "$name: $(cat server.out)"
	done
}

# Pages that are free or can be.
memory() {
	lab exec --timeout 60 "$1" 'sync; echo 3 >/proc/sys/vm/drop_caches
		awk "/^(MemFree|Buffers|Cached|SReclaimable):/ { kib += \$2 } END { print kib }" /proc/meminfo' </dev/null
}
leak() {
	local node before=() after
	doing="$version, $many connections"
	client --count 100 --depth 16 --interval 1h
	for node in $nodes; do before+=("$(memory "$node")"); done
	expect 0 lab exec --timeout 3000 node2 -- "$rcbench" node1 --count "$many" --depth 32 --interval 1h
	await 60000 nothing_left
	for node in $nodes; do
		after=$(memory "$node")
		echo "$version $node: ${before[0]} KiB available before $many connections, $after after" >&2
		# A page for each of 400 would be noise, a page for each of 100,000 is 400 MB.
		((before[0] - after < 16384)) || fail "$node: ${before[0]} KiB were available, now $after"
		before=("${before[@]:1}")
	done
}

# With the server still there: it keeps what it has for its device, and nothing else.
nothing_left() { [ "$(lab exec --timeout 60 node1 'rdma resource show qp | grep -c RC' </dev/null)" = 0 ]; }

# A signal ends it, with what has been measured so far.
interrupted() {
	: >running
	"$tool" exec --timeout $((120 * patience)) node2 -- "$rcbench" node1 --space $space --duration 100s --verify >running 2>running.err </dev/null &
	run=$!
	pids+=("$run")
	await 60000 established
	kill -INT "$run"
	finish "$run" 60000
	[ "$status" = 130 ] || fail "status $status: $(cat running.err)"
	(($(count running outcome=ok) > 0)) || fail "nothing was measured"
	is "$(count running)" running space=$space outcome=ok
}
established() { [ "$(lab exec --timeout 60 node1 'rdma resource show qp | grep -c RC' </dev/null)" -gt 1 ]; }

# Connections of the kernel end with the process that wanted them.
killed() {
	doing="$version, killed"
	"$tool" exec --timeout $((120 * patience)) node2 -- "$rcbench" node1 --space kernel --depth 8 --duration 100s >/dev/null 2>&1 </dev/null &
	run=$!
	pids+=("$run")
	await 60000 established
	expect 0 lab exec --timeout 60 node2 'kill -KILL $(pidof mitosis-rcbench)'
	finish "$run" 60000
	await 60000 kernel_is_idle
}
kernel_is_idle() {
	read_counters
	[ "$(counter node2 bench_made)" = "$(counter node2 bench_ended)" ]
}

# They do not hold up a device that is to go.
device_gone() {
	doing="$version, device gone"
	"$tool" exec --timeout $((120 * patience)) node2 -- "$rcbench" node1 --space kernel --depth 8 --duration 100s >gone.out 2>gone.err </dev/null &
	run=$!
	pids+=("$run")
	await 60000 established
	expect 0 lab exec --timeout 60 node2 'rdma link del rxe0'
	finish "$run" 60000
	[ "$status" = 1 ] || fail "status $status: $(cat gone.err)"
	# Those that wait for an answer may hear of it as of a peer that is not there.
	said gone.err 'failed: .* \(device\|unreachable\)'
	await 60000 kernel_is_idle
	expect 0 lab exec --timeout 60 node2 'rdma link add rxe0 type rxe netdev eth0'
	await 60000 nothing_left
}

for version in "${versions[@]}"; do
	build_module "$version"
	doing=$version
	lab_up -n 2 --kernel "$version"
	load_module
	remember_resources
	start_server
	in_both serial
	in_both pipelined
	in_both pool
	space=kernel
	killed
	device_gone
	# The rest depends less on the kernel.
	if [ "$version" = "${versions[0]}" ]; then
		in_both rate
		in_both intervals
		in_both interrupted
		operations
		leak
	fi
	doing="$version, the server's end"
	stop_server
	[ "$(column server.out lost_count ended=done | grep -vc '^0$')" = 0 ] || fail "lost: $(cat server.out)"
	once
	if command -v valgrind >/dev/null && [ "$version" = "${versions[0]}" ]; then
		doing="$version, valgrind"
		valgrind="valgrind -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite --show-leak-kinds=definite"
		wrapper=$valgrind start_server --once
		expect 0 lab exec --timeout 300 node2 "$valgrind '$rcbench' node1 --count 3 --verify --mode serial,pipelined --threads 2"
		finish "$server" 120000
		[ "$status" = 0 ] || fail "the server's status is $status: $(cat server.err)"
	fi
	doing="$version, what is left"
	await 30000 same_resources
	doing="$version, counters"
	read_counters
	[ "$(counter node2 bench_made)" -gt 100 ] || fail "$(counter node2 bench_made) connections in the kernel"
	[ "$(counter node2 bench_made)" = "$(counter node2 bench_ended)" ] || fail "connections are left in the kernel"
	unload_module
	expect 0 lab down
done
exit 0
