#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# variants.sh - programs linked in every way: non-PIE, static, static PIE, shared library.
. "$(dirname "$0")/../lib.sh"
# shellcheck disable=SC2034
quick=yes
for variant in nopie static static-pie shared; do
	for state in data malloc tls threads fork clock; do
		[ -x "$state_tool-$variant" ] || broken "no $state_tool-$variant"
		run_state "$state" "$state_tool-$variant"
	done
done
