#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# Prepare against a bare fork(2) of the same process, taken in turns.
. "$(dirname "$0")/lib.sh"

title "prepare: what the parent waits, against a bare fork of the same process"
fast mitosis-prepare --wss 1M,64M,256M,1G --engine local,user --count 15 --no-cow > "$scratch/small"
fast mitosis-prepare --wss 1G --huge --engine local,user --count 15 --no-cow > "$scratch/huge"
for wss in 1048576 67108864 268435456 1073741824; do
	user=$(median "$scratch/small" prepare_ns "wss=$wss" engine=user)
	local=$(median "$scratch/small" prepare_ns "wss=$wss" engine=local)
	goal=
	[ "$wss" = 67108864 ] && goal='<= 1.25'
	row "$((wss >> 20)) MiB, 4 KiB pages" "$user" "$local" "$goal"
	awk -v a="$user" -v b="$local" 'BEGIN {printf "    own share (prepare - fork): %.3f ms   (goal <= 0.3 ms)\n", (a - b) / 1e6}'
done
row "1024 MiB, huge pages" "$(median "$scratch/huge" prepare_ns engine=user)" \
	"$(median "$scratch/huge" prepare_ns engine=local)" '<= 2'
