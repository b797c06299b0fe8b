# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# shellcheck shell=sh disable=SC2034
# Sourced by the tests of mitosis-stats: finds the program, makes a directory, has checks.
src=$(cd "$(dirname "$0")" && pwd) || exit 99
stats=${MITOSIS_STATS:-$PWD/bin/mitosis-stats}
if [ ! -x "$stats" ]; then
	echo "$0: no $stats: run this in the build directory, or set MITOSIS_STATS" >&2
	exit 99
fi
dir=$(mktemp -d) || exit 99
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 99
failed=0

fail() {
	echo "$(basename "$0"): $*" >&2
	failed=1
}

# run STATUS ARG...: runs the program, leaves its output in out and err
run() {
	want=$1
	shift
	"$stats" "$@" >out 2>err
	got=$?
	if [ "$got" -ne "$want" ]; then
		fail "$*: exit status $got, not $want"
		cat err >&2
	fi
}

# says TEXT: the message is one line that contains it
says() {
	grep -qF -- "$1" err || { fail "the message is not '$1' but:"; cat err >&2; }
}

# is FILE: the records are those of FILE (the comment line aside)
is() {
	grep -v '^#' out >records
	diff -u "$1" records >&2 || fail "$(head -n 1 out): wrong records"
}

# value COLUMN [ROW]: one field of the output
value() {
	grep -v '^#' out | awk -F '\t' -v col="$1" -v row="${2:-1}" '
		NR == 1 { for (i = 1; i <= NF; i++) if ($i == col) c = i }
		NR == row + 1 && c { print $c }'
}

# near GOT WANT TOLERANCE (relative)
near() {
	awk -v a="$1" -v b="$2" -v t="$3" 'BEGIN {
		d = a - b; if (d < 0) d = -d; s = b < 0 ? -b : b; exit !(a != "" && d <= t * s) }' ||
		fail "$1 is not within $3 of $2"
}
