# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# shellcheck shell=bash
# exp.sh - what the tests of mitosis-exp and mitosis-plot share.

# shellcheck source-path=SCRIPTDIR/.. source=lib.sh
. "$(dirname "$0")/../lib.sh"

tool=$bin_dir/mitosis-exp
plot=$bin_dir/mitosis-plot
[ -x "$tool" ] && [ -x "$plot" ] || broken "no $tool"
export MITOSIS_EXP_DIR=${MITOSIS_EXP_DIR:-$tests_dir/../share/mitosis-exp}
export MITOSIS_LAB_DIR=${MITOSIS_LAB_DIR:-$tests_dir/../share/mitosis-exp/lab}

# run STATUS OPTION...: an experiment, in a directory that is new each time. Unless another launcher is
# named, the hosts of its file are labels for this one.
run() {
	local wanted=$1
	shift
	rm -rf dir
	expect "$wanted" "$tool" run -L local -o dir "$@"
}

# closed 0|1|2 COMMAND...: without that standard stream
closed() { bash -c "exec \"\$@\" $1>&-" closed "${@:2}"; }

silent() { ! grep -q -e "$2" "$1" || fail "$1 says '$2'"; }

# column FILE NAME: the values of a column of a record stream
column() {
	awk -F '\t' -v name="$2" '/^#/ { next } !at { for (i = 1; i <= NF; i++) if ($i == name) at = i; next }
		{ print $at }' "$1"
}

# Processes that have this word as an argument. The word is not among those of grep.
with_word() { grep -lzxF -f <(echo "$1") /proc/[0-9]*/cmdline 2>/dev/null; }
nobody_has() { [ -z "$(with_word "$1")" ]; }
somebody_has() { [ -n "$(with_word "$1")" ]; }
