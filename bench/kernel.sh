#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# Engine kernel over soft-RoCE between two nodes of the lab, against perftest on the same link, bare
# fork on the same node, and engine user over TCP between the same nodes. KERNELS names other kernels.
. "$(dirname "$0")/lib.sh"

source_dir=$(cd "$(dirname "$0")/.." && pwd)
build_dir=$(cd "$MITOSIS_BIN/.." && pwd)
export MITOSIS_LAB_NAME=bench-$$
lab() { fast mitosis-lab "$@"; }
on() {
	local node=$1
	shift
	lab exec --timeout 600 "$node" "cd '$build_dir' && PATH=$MITOSIS_BIN:\$PATH && $*"
}
background=()
# The last parent, if any: its memory is needed for the next.
unserve() {
	for pid in "${background[@]}"; do
		kill "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	background=()
}
end() {
	unserve
	lab down >/dev/null 2>&1 || true
	rm -rf "$scratch"
}
trap end EXIT

# until_there FILE LINES: a background command has printed as many
until_there() {
	local tries=0
	until [ "$(grep -c . "$1")" -ge "$2" ]; do
		tries=$((tries + 1))
		[ "$tries" -lt 600 ] || { echo "bench: $1: nothing came" >&2; exit 1; }
		sleep 0.1
	done
}
# served NAME LINES COMMAND...: a parent on node1; its references are left in $refs
served() {
	local name=$1 lines=$2
	shift 2
	unserve
	: >"$scratch/$name"
	on node1 "exec $*" >"$scratch/$name" 2>"$scratch/$name.err" </dev/null &
	background+=($!)
	until_there "$scratch/$name" "$lines"
	refs=$(tr '\n' ' ' <"$scratch/$name")
}
# perftest COMMAND...: a server on node1, the client on node2; the lines of figures
perftest() {
	on node1 "$*" >"$scratch/server" 2>&1 </dev/null &
	local server=$! tries=0
	until on node1 "grep -q :4853 /proc/net/tcp6 /proc/net/tcp"; do	# port 18515
		tries=$((tries + 1))
		[ "$tries" -lt 50 ] || return 1
	done
	on node2 "$* node1" | awk '/^ *[0-9]+ +[0-9]+ / { print }'
	wait "$server" || true
}
counter() { on node2 "awk '\$1 == \"$1\" { print \$2 }' /sys/kernel/debug/mitosis/counters"; }
# Without what the kernel would give back when asked.
free_kib() { on node1 "sync; echo 3 >/proc/sys/vm/drop_caches; awk '/^MemFree:/ { print \$2 }' /proc/meminfo"; }
# access_of FILE: the median time of one access, in records of mitosis-exectime --each
access_of() { awk -F '\t' '!/^#/ && $1 != "engine" { print $10 }' "$1" | median_of; }
median_of() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

bench_kernel() {
	local kernel=$1 module=$scratch/$1/mitosis.ko
	mkdir -p "$scratch/$kernel" && cp -r "$source_dir/kmod/." "$scratch/$kernel"
	make -s -C "$scratch/$kernel" KVER="$kernel" MITOSIS_VERSION=bench >"$scratch/make" 2>&1 || {
		cat "$scratch/make" >&2
		return 1
	}
	lab up -n 2 --memory 2G --kernel "$kernel" >/dev/null
	on all "modprobe rdma_cm && insmod '$module' && { mountpoint -q /sys/kernel/debug || mount -t debugfs none /sys/kernel/debug; }"

	title "Linux $kernel: one remote fault of 4 KiB, against ib_read_lat -s 4096 (typical) on the same link"
	served fault 1 mitosis-exectime --serve --engine kernel --wss 16M --touch 12 --pattern random --each --listen 10.77.0.1
	: >"$scratch/lat"
	: >"$scratch/poll"
	: >"$scratch/sleep"
	: >"$scratch/local"
	for _ in 1 2 3 4 5; do
		# t_typical is the fifth column, in microseconds.
		perftest ib_read_lat -F -s 4096 -n 1000 | awk '{ print $5 * 1000 }' >>"$scratch/lat"
		on node2 "mitosis-exectime --count 1 --window 1 --no-push --private --poll --phase child $refs" >>"$scratch/poll"
		on node2 "mitosis-exectime --count 1 --window 1 --no-push --private --phase child $refs" >>"$scratch/sleep"
		on node2 "mitosis-exectime --count 1 --each --wss 16M --touch 12 --pattern random --access write --phase cow" >>"$scratch/local"
	done
	lat=$(median_of <"$scratch/lat")
	row "polling, p50" "$(access_of "$scratch/poll")" "$lat" '<= 1.15'
	row "interrupt, p50" "$(access_of "$scratch/sleep")" "$lat" '<= 1.6'
	# What the processor takes for a fault without any READ; much of it is emulation's.
	row "a local copy-on-write fault" "$(access_of "$scratch/local")" "$lat"

	title "Linux $kernel: 64 MiB touched in order, against ib_read_bw -s 65536 (time for as many bytes)"
	served sequence 1 mitosis-exectime --serve --engine kernel --wss 64M --each --listen 10.77.0.1
	: >"$scratch/bw"
	: >"$scratch/touch"
	for _ in 1 2 3; do
		# BW average is the fourth column, in MiB/s.
		perftest ib_read_bw -F -s 65536 -n 1000 | awk '{ print 64 / $4 * 1e9 }' >>"$scratch/bw"
		for window in 32 128 512; do
			on node2 "mitosis-exectime --count 1 --window $window --no-push --private --phase child $refs" |
				awk -F'\t' -v w=$window '$2 == "child" { sum += $10 } END { print w, sum }' >>"$scratch/touch"
		done
	done
	bw=$(median_of <"$scratch/bw")
	for window in 32 128 512; do
		row "window $window" "$(awk -v w=$window '$1 == w { print $2 }' "$scratch/touch" | median_of)" "$bw" '<= 1.18'
	done

	title "Linux $kernel: second sibling that reads the same 64 MiB: READ requests, against the first"
	served shared 1 mitosis-exectime --serve --engine kernel --wss 64M --listen 10.77.0.1
	before=$(counter reads_begun)
	on node2 "(mitosis-child --quiet $refs >/dev/null; sleep 0) & mitosis-exectime --count 1 --phase child $refs" >/dev/null
	first=$(counter reads_begun)
	printf '  two siblings at once: %d requests for %d pages\n' "$((first - before))" $((64 << 8))

	title "Linux $kernel: prepare on node1, against a bare fork there"
	on node1 "mitosis-prepare --engine local,kernel,user --wss 64M,512M --count 7 --no-cow" >"$scratch/prepare"
	for wss in 67108864 536870912; do
		goal=
		[ "$wss" = 67108864 ] && goal='<= 2'
		row "$((wss >> 20)) MiB" "$(median "$scratch/prepare" prepare_ns "wss=$wss" engine=kernel)" \
			"$(median "$scratch/prepare" prepare_ns "wss=$wss" engine=local)" "$goal"
	done
	row "until it can be read: 512 MiB against 64 MiB" "$(median "$scratch/prepare" ready_ns wss=536870912 engine=kernel)" \
		"$(median "$scratch/prepare" ready_ns wss=67108864 engine=kernel)" '<= 8'

	title "Linux $kernel: resume on node2, against a parent of 1 MiB"
	served sizes 3 mitosis-resume --serve --engine kernel --wss 1M,64M,512M --listen 10.77.0.1
	on node2 "mitosis-resume --count 9 --no-push --private $refs" >"$scratch/resume"
	for wss in 67108864 536870912; do
		row "$((wss >> 20)) MiB" "$(median "$scratch/resume" resume_ns "wss=$wss")" \
			"$(median "$scratch/resume" resume_ns wss=1048576)" '1'
	done

	title "Linux $kernel: engine kernel over RDMA against engine user over TCP, between the same nodes"
	row "prepare, 64 MiB" "$(median "$scratch/prepare" prepare_ns wss=67108864 engine=kernel)" \
		"$(median "$scratch/prepare" prepare_ns wss=67108864 engine=user)"
	served engines 1 mitosis-resume --serve --engine kernel --wss 64M --touch 5 --listen 10.77.0.1
	on node2 "mitosis-resume --engine user,kernel --count 9 --no-push --private $refs" >"$scratch/engines"
	row "resume, 64 MiB" "$(median "$scratch/engines" resume_ns engine=kernel)" "$(median "$scratch/engines" resume_ns engine=user)"
	row "resume and random 5 %, no push" "$(median "$scratch/engines" touched_ns engine=kernel)" \
		"$(median "$scratch/engines" touched_ns engine=user)"
	served passes 3 mitosis-exectime --serve --engine kernel --wss 64M --touch 10,50,100 --listen 10.77.0.1
	on node2 "mitosis-exectime --engine user,kernel --count 3 --phase child --private $refs" >"$scratch/passes"
	for touch in 10 50 100; do
		row "execution, $touch % of 64 MiB in order" "$(median "$scratch/passes" exec_ns touch=$touch engine=kernel)" \
			"$(median "$scratch/passes" exec_ns touch=$touch engine=user)"
	done
	printf '\n%s\n' "Linux $kernel: what a snapshot of 256 MiB keeps from its host once the parent has pages of its own, against those pages"
	unserve
	# Nothing of it is kept for the next one.
	on node1 "echo 0 >/sys/module/mitosis/parameters/regions"
	mkfifo "$scratch/orders"
	on node1 "exec tests/kernel/snapshot 7b1f0c6e52d94a31a8e3940d6cf2185b --size 256" \
		<"$scratch/orders" >"$scratch/memory" 2>"$scratch/memory.err" &
	background+=($!)
	exec {orders}>"$scratch/orders"
	until_there "$scratch/memory" 4
	held=$(free_kib)
	echo release >&"$orders"
	until_there "$scratch/memory" 5
	# Unreadable at once; its pages go when the device has let go of them.
	on node1 "until awk '\$1 == \"pages_held\" { held = \$2 } \$1 == \"pages_put\" { exit held != \$2 }' /sys/kernel/debug/mitosis/counters; do sleep 0.1; done"
	freed=$(free_kib)
	exec {orders}>&-
	awk -v kib=$((freed - held)) '$1 == "snapshot" {
		printf "  %-52s %9.1f MiB %8.1f MiB %6.3f x   (goal <= 1.01)\n", "held", kib / 1024, $2 / 256, kib / ($2 * 4)
	}' "$scratch/memory"

	unserve
	lab down >/dev/null
}

if [ -z "${KERNELS:-}" ]; then
	for dir in /lib/modules/*/build; do
		[ -e "$dir/Makefile" ] && KERNELS="${KERNELS:-} $(basename "$(dirname "$dir")")"
	done
fi
[ -n "${KERNELS:-}" ] || { echo "bench: no kernel headers are installed (linux-headers-amd64)" >&2; exit 77; }
for kernel in $KERNELS; do bench_kernel "$kernel"; done
