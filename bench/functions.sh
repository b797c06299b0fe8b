#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# Functions whose imports dominate: a child of a snapshot and one call in it, with a recorded working set
# and without, against a new interpreter, the imports and the same call. FUNCTIONS names others. LAB=1 does
# it between two nodes of the lab over RDMA, for each kernel whose headers are there (KERNELS).
. "$(dirname "$0")/lib.sh"
functions=${FUNCTIONS:-image pagerank chameleon recognition}

# report FILE NAME: the rows of one function
report() {
	local cold
	cold=$(median "$1" total_ns phase=cold)
	row "$2" "$(median "$1" total_ns phase=child)" "$cold"
	row "$2, replay" "$(median "$1" total_ns phase=replay)" "$cold" '<= 0.5'
}

# there NAME: is its library?
there() {
	[ "$(mitosis-function --list | grep -c "^$1 .*(missing: ")" = 0 ] && return
	echo "  $1: left out: $(mitosis-function --list | sed -n "s/^$1 .*(missing: \(.*\))/\1/p") is not here"
	return 1
}

if [ -z "${LAB:-}" ]; then
	title "functions: resume and one call, against cold start, imports and the same call"
	for name in $functions; do
		there "$name" || continue
		fast mitosis-function "$name" --phase cold,child,replay --count "${COUNT:-15}" >"$scratch/$name"
		report "$scratch/$name" "$name"
	done
	exit 0
fi

source_dir=$(cd "$(dirname "$0")/.." && pwd)
export MITOSIS_LAB_DIR=${MITOSIS_LAB_DIR:-$source_dir/share/mitosis-exp/lab} MITOSIS_LAB_NAME=functions-$$
end() {
	mitosis-lab down >/dev/null 2>&1 || true
	rm -rf "$scratch"
}
trap end EXIT
for kernel in ${KERNELS:-$(mitosis-lab kernels | cut -f 1)}; do
	[ -e "/lib/modules/$kernel/build/Makefile" ] || continue
	mkdir -p "$scratch/$kernel" && cp -r "$source_dir/kmod/." "$scratch/$kernel"
	make -s -C "$scratch/$kernel" KDIR="/lib/modules/$kernel/build" >"$scratch/log" 2>&1 || { cat "$scratch/log" >&2; exit 1; }
	fast mitosis-lab up -n 2 --kernel "$kernel" 2>"$scratch/up" || { cat "$scratch/up" >&2; exit 1; }
	mitosis-lab exec --timeout 60 all "modprobe rdma_cm && insmod '$scratch/$kernel/mitosis.ko'"
	title "functions, engine kernel, kernel $kernel: parent on node1, all else on node2"
	for name in $functions; do
		there "$name" || continue
		: >"$scratch/ref"
		mitosis-lab exec --timeout 600 node1 "exec '$MITOSIS_BIN/mitosis-function' $name --serve --listen 10.77.0.1 --engine kernel" \
			>"$scratch/ref" 2>"$scratch/ref.err" </dev/null &
		server=$!
		until grep -q '^mitosis' "$scratch/ref"; do
			kill -0 "$server" 2>/dev/null || { cat "$scratch/ref.err" >&2; exit 1; }
			sleep 0.1
		done
		mitosis-lab exec --timeout 600 node2 "'$MITOSIS_BIN/mitosis-function' $name --phase cold,child,replay --count ${COUNT:-7} --from '$(cat "$scratch/ref")'" >"$scratch/$name"
		report "$scratch/$name" "$name"
		kill "$server" 2>/dev/null || true
		wait "$server" || true
	done
	mitosis-lab down
done
