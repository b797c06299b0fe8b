#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# style.sh - no line of the C files below is longer than 100 columns, a tab taking eight.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
top=$tests_dir/..
wrong=0
seen=0

# A directory, its own files; or one file. What is clean stays clean.
clean=(
	bin/clean bin/exectime bin/leanprep bin/measure bin/prepare bin/rcbench bin/resume bin/stats
	bin/mitosis-{child,clean,exectime,leanprep,leanrun,ls,parent,prepare,rcbench,resume,stats}.c
	lib/common/options.c lib/common/options.h
)

for place in "${clean[@]}"; do
	for file in "$top/$place" "$top/$place"/*.[ch]; do
		[ -f "$file" ] || continue
		seen=$((seen + 1))
		expand -t 8 "$file" | awk -v file="${file#"$top/"}" -v name="$test_name" '
			length > 100 { printf "%s: %s:%d: %d columns\n", name, file, NR, length; n++ }
			END { exit n > 0 }' >&2 || wrong=1
	done
done
[ "$seen" -gt 60 ] || broken "only $seen files are found"
[ "$wrong" = 0 ] || fail "see above"
