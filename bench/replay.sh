#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# A child that reads a twentieth of its memory in random order: with a recorded working set and without.
. "$(dirname "$0")/lib.sh"

title "replay: exec of mitosis-child until 5 % of 64 MiB are read in random order, against no replay"
for options in "" "--no-push" "--no-push --window 1"; do
	# shellcheck disable=SC2086
	fast mitosis-resume --touch 5 --replay --count 15 $options > "$scratch/replay"
	row "${options:-push on}" "$(median "$scratch/replay" touched_ns replay=1)" "$(median "$scratch/replay" touched_ns replay=0)"
done
