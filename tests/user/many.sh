#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# many.sh - many children of one snapshot at once, each with memory of its own.
. "$(dirname "$0")/../lib.sh"

for state in writes threads mremap; do
	doing=$state
	start_parent "$state_tool" "$state"
	children=()
	for n in $(seq 16); do
		options=
		((n % 4 == 0)) && options="--mode eager"
		((n % 4 == 1)) && options="--window 4"
		# shellcheck disable=SC2086
		start_child "child$n" $options "$ref"
		children+=("$child")
	done
	for n in $(seq 16); do
		finish "${children[n-1]}" 30000
		[ "$status" = 0 ] || fail "child $n: status $status: $(cat "child$n.out")"
		[ "$(<"child$n.out")" = "ok $state" ] || fail "child $n: $(cat "child$n.out")"
	done
	end_parent
done
