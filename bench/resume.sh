#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# Start of a child against fork + exec + wait of /bin/true, at several sizes and degrees of parallelism.
. "$(dirname "$0")/lib.sh"

title "resume: exec of mitosis-child to the child's first instruction, against fork+exec+wait of /bin/true"
fast mitosis-resume --wss 1M,64M,1G --engine exec,user --count 40 > "$scratch/resume"
true_ns=$(median "$scratch/resume" life_ns engine=exec)
for wss in 1048576 67108864 1073741824; do
	row "$((wss >> 20)) MiB" "$(median "$scratch/resume" resume_ns "wss=$wss" engine=user)" "$true_ns" '<= 2.5'
done

title "20 children, one after the other against all at once: time for all of them, to their ends"
for parallel in 1 20; do
	start=$(date +%s%N)
	fast mitosis-resume --wss 64M --count 20 --warmup 0 --parallel "$parallel" > "$scratch/many"
	eval "took_$parallel=$(($(date +%s%N) - start))"
done
# shellcheck disable=SC2154 # set by eval
row "20 at once against 20 in a row" "$took_20" "$took_1" '<= 1'
