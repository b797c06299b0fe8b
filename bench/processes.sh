#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# Any process, by its number: how long it stands still against a bare clone(2) in it, what its calls see of that, and what
# each thread costs in a child.
. "$(dirname "$0")/lib.sh"
threads_tool=$MITOSIS_BIN/../bench/threads
interrupted=$MITOSIS_BIN/../tests/user/interrupted
count=${COUNT:-9}
declare -A goal=([1]=0.3 [8]=0.6 [64]=3.5 [512]=30) child

title "prepare by PID: how long the process stands still, against a bare clone in it"
for mib in 64 1024; do
	for threads in 1 8 64 512; do
		fast "$threads_tool" "$threads" "$mib" "$count" "$([ "$mib" = 64 ] && echo "$count")" > "$scratch/records"
		stop=$(median "$scratch/records" ns engine=prepare)
		clone=$(median "$scratch/records" ns engine=clone)
		[ "$mib" != 64 ] || child[$threads]=$(median "$scratch/records" ns engine=child)
		row "$mib MiB, $threads threads" "$stop" "$clone"
		awk -v a="$stop" -v b="$clone" -v g="${goal[$threads]}" \
			'BEGIN {printf "    beyond the clone: %.3f ms   (goal <= %s ms)\n", (a - b) / 1e6, g}'
	done
done

title "restore: exec of mitosis-child until the child runs, against a child with one thread"
for threads in 8 64 512; do
	row "64 MiB, $threads threads" "${child[$threads]}" "${child[1]}"
	awk -v a="${child[$threads]}" -v b="${child[1]}" -v n="$threads" \
		'BEGIN {printf "    for each thread more: %.1f us   (goal <= 60 us)\n", (a - b) / 1e3 / (n - 1)}'
done

snapshots=${SNAPSHOTS:-100}
printf '\ncalls of 11 threads, while %d snapshots are taken\n' "$snapshots"
"$interrupted" > "$scratch/told" &
waiting=$!
until grep -q waiting "$scratch/told"; do kill -0 $waiting; done
for ((i = 0; i < snapshots; i++)); do
	mitosis-parent --lifetime 5s --pid "$waiting" > "$scratch/ref"
done
kill -USR1 $waiting
until grep -q ^calls "$scratch/told"; do kill -0 $waiting; done
kill $waiting
awk '/^calls/ {printf "  %d calls: %d ended with EINTR, %d early   (goal 0, 0)\n", $2, $4, $6}' "$scratch/told"
