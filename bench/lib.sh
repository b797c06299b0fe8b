# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# shellcheck shell=bash
# lib.sh - what the measurements share: the tools, priority, medians and ratios.
set -eu
: "${MITOSIS_BIN:=$PWD/bin}"
[ -x "$MITOSIS_BIN/mitosis-prepare" ] || {
	echo "bench: $MITOSIS_BIN: no tools there: run 'make bench', or set MITOSIS_BIN" >&2
	exit 99
}
PATH=$MITOSIS_BIN:$PATH
scratch=$(mktemp -d "${TMPDIR:-/tmp}/mitosis-bench.XXXXXX")
trap 'rm -rf "$scratch"' EXIT

# Run at the highest priority that this user may have.
fast() {
	if nice -n -20 true 2>/dev/null; then nice -n -20 "$@"; else "$@"; fi
}

# median FILE COLUMN CONDITION...: the median of a column over the records that meet all conditions
median() {
	local file=$1 column=$2 where=()
	shift 2
	for condition; do where+=(--where "$condition"); done
	mitosis-stats --columns "$column" --by engine --percentiles 50 "${where[@]}" "$file" |
		awk -F'\t' '/^#/ {next} !h {for (i = 1; i <= NF; i++) if ($i == "p50") h = i; next} {print $h; exit}'
}

# row TEXT VALUE_NS PEER_NS [TARGET]: a line of the report
row() {
	awk -v t="$1" -v a="$2" -v b="$3" -v g="${4:-}" 'BEGIN {
		printf "  %-52s %9.3f ms %9.3f ms  %6.2f x%s\n", t, a / 1e6, b / 1e6, a / b, g == "" ? "" : "   (goal " g ")"
	}'
}

title() {
	printf '\n%s\n  %-52s %12s %12s  %8s\n' "$1" "" "measured" "peer" "ratio"
}
