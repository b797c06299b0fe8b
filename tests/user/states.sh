#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# states.sh - every state of the program is tested: by a link to state.sh, or by a script of another kind.
. "$(dirname "$0")/../lib.sh"

# For tests of something else, which end one of the processes or look at it.
others=" slow wait shared "

"$state_tool" >states || fail "no list of states"
count=0
while read -r state about; do
	doing=$state
	[ -n "$about" ] || fail "it does not say what it is"
	case $others in *" $state "*) continue ;; esac
	link=$build_dir/tests/user/$state.sh
	if [ -L "$link" ]; then
		[ "$(readlink -f "$link")" = "$(readlink -f "$tests_dir/user/state.sh")" ] || fail "$link leads elsewhere"
		count=$((count + 1))
	else
		grep -q "\"\$state_tool\" $state\$" "$tests_dir/user/$state.sh" || fail "no test builds this state"
	fi
done <states
doing=
# No link without a state: its test would say so as well, but only in its own words.
links=$(find "$build_dir/tests/user" -name '*.sh' -type l | wc -l)
[ "$count" = "$links" ] || fail "$links links to state.sh for $count states"
