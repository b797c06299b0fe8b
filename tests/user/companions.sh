# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# shellcheck shell=bash
# companions.sh - for tests of every state in a program that has other threads, which know nothing of it.
# shellcheck source-path=SCRIPTDIR/.. source=lib.sh
. "$(dirname "$0")/../lib.sh"

# One way of fetching is enough here: the states' own tests have them all.
all_modes() {
	if "$helper_tool" uffd >/dev/null; then
		echo "--mode demand"
	else
		echo "--mode eager"
	fi
}
# What this host cannot do, the state's own test says.
state_is_skipped() { :; }

# with_threads COUNT: in all
with_threads() {
	local link count=0
	export MITOSIS_TEST_THREADS=$1
	for link in "$build_dir"/tests/user/*.sh; do
		[ -L "$link" ] || continue
		run_state "$(basename "$link" .sh)"
		count=$((count + 1))
	done
	((count > 0)) || broken "no states"
}
