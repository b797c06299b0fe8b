#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# A full touch of 64 MiB in a resumed child against the same touch in a local fork child.
. "$(dirname "$0")/lib.sh"

title "execution: full touch of 64 MiB, in a resumed child against a local fork child"
fast mitosis-exectime --wss 64M --pattern seq,random --access read,write --phase fork,child --count 9 > "$scratch/push"
for access in read write; do
	for pattern in seq random; do
		goal='<= 2'
		[ $pattern = seq ] && goal='<= 1.2'
		row "$pattern, $access, push on" \
			"$(median "$scratch/push" exec_ns phase=child pattern=$pattern access=$access)" \
			"$(median "$scratch/push" exec_ns phase=fork pattern=$pattern access=$access)" "$goal"
	done
done
for window in 1 8 32 128; do
	fast mitosis-exectime --wss 64M --phase fork,child --count 3 --no-push --window $window > "$scratch/window"
	row "seq, read, no push, window $window" "$(median "$scratch/window" exec_ns phase=child)" \
		"$(median "$scratch/window" exec_ns phase=fork)"
done
