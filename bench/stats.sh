#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# Times mitosis-stats against datamash on the same records; prints seconds, memory and their ratio.
#
#	bench/stats.sh [ROWS [PROGRAM]]		(10000000, bin/mitosis-stats)
#
# "mean" is datamash's cheapest job, on records that are grouped already; "all" is what mitosis-stats
# always does, as far as datamash can do it; "unsorted" has the groups mixed, so that datamash must
# sort. Times are processor time (user and system), the least of three runs. Needs about 60 bytes
# per row in TMPDIR.
rows=${1:-10000000}
stats=${2:-bin/mitosis-stats}
command -v datamash >/dev/null || { echo "$0: datamash is not installed" >&2; exit 77; }
[ -x "$stats" ] || { echo "$0: no $stats: build it first, or name it" >&2; exit 99; }
dir=$(mktemp -d) || exit 99
trap 'rm -rf "$dir"' EXIT

# 40 groups of three measured columns; $1 = 1: in order, 0: mixed
records() {
	awk -v rows="$rows" -v ordered="$1" 'BEGIN {
		srand(7)
		print "engine\twss\tphase\titer\tprepare_ns\tresume_ns\tfetched_bytes"
		for (i = 0; i < rows; i++) {
			g = ordered ? int(i * 40 / rows) : int(rand() * 40)
			printf "%s\t%d\tcold\t%d\t%d\t%.1f\t%d\n", g % 4 ? "user" : "kernel",
				1048576 * 2 ^ int(g / 4), i, 1e6 * (1 + g) * exp(rand()),
				3000 * exp(rand() * rand()), 4096 * int(rand() * 1000)
		}
	}'
}

# seconds FILE COMMAND...: processor time, the least of three
seconds() {
	local file=$1 TIMEFORMAT='%U %S'
	shift
	for _ in 1 2 3; do
		{ time "$@" <"$file" >/dev/null; } 2>&1 || exit 99
	done | awk '{ t = $1 + $2 } NR == 1 || t < least { least = t } END { printf "%.2f", least }'
}

# row NAME FILE COLUMNS DATAMASH...
row() {
	local name=$1 file=$2 columns=$3 ours theirs
	shift 3
	ours=$(seconds "$file" "$stats" ${columns:+--columns "$columns"})
	theirs=$(seconds "$file" datamash -C --header-in "$@")
	printf '%s\t%s\t%s\t%s\n' "$name" "$ours" "$theirs" \
		"$(awk -v a="$ours" -v b="$theirs" 'BEGIN { printf "%.2f", b / a }')"
}

records 1 >"$dir/r.tsv"
printf 'job\tstats_s\tdatamash_s\ttimes_faster_ratio\n'
row mean-1 "$dir/r.tsv" prepare_ns -g 1,2,3 mean 5
row mean-3 "$dir/r.tsv" '' -g 1,2,3 mean 5 mean 6 mean 7
row all-1 "$dir/r.tsv" prepare_ns -g 1,2,3 count 5 mean 5 sstdev 5 min 5 perc:50 5 \
	perc:90 5 perc:99 5 perc:99.9 5 max 5 madraw 5
records 0 >"$dir/r.tsv"
row unsorted-1 "$dir/r.tsv" prepare_ns -s -g 1,2,3 mean 5
if [ -x /usr/bin/time ]; then
	/usr/bin/time -o "$dir/memory" -f '# most memory: %M KiB for 3 measured columns' \
		"$stats" "$dir/r.tsv" >/dev/null
	cat "$dir/memory"
fi
