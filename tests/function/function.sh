# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# shellcheck shell=bash
# function.sh - what the tests of mitosis-function share.

# shellcheck source-path=SCRIPTDIR/.. source=exp/exp.sh
. "$(dirname "$0")/../exp/exp.sh"
need_python

tool=$bin_dir/mitosis-function
[ -x "$tool" ] || broken "no $tool"

# cell FILE COLUMN PHASE [BRANCH]: the values of a column in the records of a phase
cell() {
	awk -F '\t' -v name="$2" -v phase="$3" -v branch="${4:-}" '/^#/ { next }
		!at { for (i = 1; i <= NF; i++) column[$i] = i; at = column[name]; next }
		$column["phase"] == phase && (branch == "" || $column["branch"] == branch) { print $at }' "$1"
}

# measured FILE COLUMN PHASE N: so many numbers above 0
measured() {
	[ "$(cell "$1" "$2" "$3" | grep -c '^[1-9][0-9]*$')" = "$4" ] ||
		fail "$2 of phase $3: $(cell "$1" "$2" "$3" | tr '\n' ' ')"
}

# No process of ours and no snapshot of a function is left.
nothing_left() {
	! grep -lzxF "$work_dir/$1" /proc/[0-9]*/cmdline 2>/dev/null && ! "$bin_dir/mitosis-ls" | grep -q "function ${1%.py}$"
}
