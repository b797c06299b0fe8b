#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# mitosis-rcbench against cmtime of rdmacm-utils, between the same two nodes of the lab, in turns. cmtime takes each step
# for all of its connections at once, so its figures are throughput, and latency only with one connection. KERNELS names
# other kernels.
. "$(dirname "$0")/lib.sh"

source_dir=$(cd "$(dirname "$0")/.." && pwd)
export MITOSIS_LAB_NAME=bench-rc-$$
: "${MITOSIS_LAB_DIR:=$source_dir/share/mitosis-exp/lab}"
export MITOSIS_LAB_DIR
: "${ROUNDS:=3}"
lab() { fast mitosis-lab "$@"; }
on() {
	local node=$1
	shift
	lab exec --timeout 300 "$node" "PATH=$MITOSIS_BIN:\$PATH && $*" </dev/null
}
background=()
end() {
	for pid in "${background[@]}"; do kill "$pid" 2>/dev/null || true; done
	lab down >/dev/null 2>&1 || true
	rm -rf "$scratch"
}
trap end EXIT

steps="create_id resolve_addr resolve_route create_qp connect disconnect destroy"
# cmtime COUNT: its steps, one "name microseconds" each, microseconds per connection of all; and the whole
cmtime_run() {
	on node2 "cmtime -s node1 -c $1" | awk -F: '
		/:/ { name = $1; gsub(/ +$/, "", name); gsub(/ /, "_", name); split($2, v, " "); us = v[1] * 1000 / count
			print name, us; all += us }
		END { print "total", all }' count="$1"
}
# throughput OPTION...: connections per second
throughput() {
	on node2 "mitosis-rcbench node1 --interval 1h $*" | awk -F'\t' '
		/^#/ { next }
		!at { for (i = 1; i <= NF; i++) { if ($i == "conns_per_s") at = i; if ($i == "thread") t = i }; next }
		$t == "all" { print $at }'
}
median_of() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
of() { awk -v name="$1" '$1 == name { print $2 }' "$2" | median_of; }
# rate TEXT VALUE PEER GOAL
rate() {
	awk -v t="$1" -v a="$2" -v b="$3" -v g="${4:-}" 'BEGIN {
		printf "  %-52s %9.0f /s %9.0f /s  %7.2f x%s\n", t, a, b, a / b, g == "" ? "" : "   (goal " g ")"
	}'
}

bench_rcbench() {
	local kernel=$1 module=$scratch/$1/mitosis.ko spaces=user cm round threads
	lab up -n 2 --kernel "$kernel" >/dev/null
	if [ -e "/lib/modules/$kernel/build/Makefile" ]; then
		mkdir -p "$scratch/$kernel" && cp -r "$source_dir/kmod/." "$scratch/$kernel"
		make -s -C "$scratch/$kernel" KVER="$kernel" MITOSIS_VERSION=bench >"$scratch/make" 2>&1 || {
			cat "$scratch/make" >&2
			return 1
		}
		on node2 "modprobe rdma_cm && insmod '$module'"
		spaces="user kernel"
	fi
	on node1 'exec cmtime -b node1' >/dev/null 2>&1 &
	background+=($!)
	on node1 'exec mitosis-rcbench --server' >/dev/null 2>"$scratch/server.err" &
	background+=($!)
	until grep -q listening "$scratch/server.err"; do sleep 0.1; done
	rm -f "$scratch"/result.*
	# The first connections of each are slow.
	cmtime_run 100 >/dev/null
	throughput --count 100 >/dev/null
	for ((round = 0; round < ROUNDS; round++)); do
		cmtime_run 1000 >>"$scratch/result.cmtime"
		for threads in 1 2 4; do
			throughput --count 1000 --threads $threads --depth $((1024 / threads)) >>"$scratch/result.pipelined.$threads"
		done
		throughput --count 1000 --depth 64 >>"$scratch/result.pipelined.64"
		for _ in 1 2 3 4 5; do cmtime_run 1 >>"$scratch/result.cmtime1"; done
		on node2 "mitosis-rcbench node1 --count 200 --space ${spaces// /,}" >>"$scratch/result.serial"
		for space in $spaces; do
			throughput --reuse --count 4000 --space $space >>"$scratch/result.pool.$space"
			throughput --count 1000 --depth 64 --space $space >>"$scratch/result.space.$space"
		done
	done
	cm=$(of total "$scratch/result.cmtime" | awk '{ print 1e6 / $1 }')

	printf '\n%s\n' "Linux $kernel: connections per second, against cmtime -c 1000 (all steps)"
	for threads in 1 2 4; do
		rate "all at once, $threads thread(s)" "$(median_of <"$scratch/result.pipelined.$threads")" "$cm" '>= 1.0'
	done
	rate "64 under way" "$(median_of <"$scratch/result.pipelined.64")" "$cm"
	[ "$spaces" = user ] || rate "64 under way, in the kernel" "$(median_of <"$scratch/result.space.kernel")" "$cm"
	for space in $spaces; do
		rate "from a pool, $space space" "$(median_of <"$scratch/result.pool.$space")" "$cm" '>= 100'
	done

	title "Linux $kernel: one connection after the other, step by step, against cmtime -c 1"
	for space in $spaces; do
		for step in $steps total; do
			case $step in destroy) peer=destroy ;; *) peer=$step ;; esac
			row "$space space, $step" "$(median "$scratch/result.serial" "${step}_ns" "space=$space")" \
				"$(of "$peer" "$scratch/result.cmtime1" | awk '{ print $1 * 1000 }')" '<= 1'
		done
	done
	for pid in "${background[@]}"; do kill "$pid" 2>/dev/null || true; done
	background=()
	lab down >/dev/null
}

if [ -z "${KERNELS:-}" ]; then
	KERNELS=$(lab kernels | awk -F'\t' '!/^#/ && $1 != "version" && $2 == "yes" { print $1 }')
fi
for kernel in $KERNELS; do bench_rcbench "$kernel"; done
