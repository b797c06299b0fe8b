#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# style.sh - no line of the C files below is longer than 100 columns, a tab taking eight, but what is told to users
# stays in one piece, that it can be searched for: a line may end with a longer string.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
top=$tests_dir/..
wrong=0
seen=0

# A directory, its own files; or one file. What is clean stays clean.
clean=(
	bin bin/check bin/clean bin/exectime bin/leanprep bin/leanrun bin/measure bin/parent bin/prepare bin/rcbench
	bin/resume bin/stats
	kmod lib/api lib/arch/aarch64 lib/arch/x86-64 lib/capture lib/common lib/engine lib/format lib/include
	lib/lean lib/net lib/page lib/pie lib/private lib/restore lib/shadow lib/state lib/state/files
)

for place in "${clean[@]}"; do
	for file in "$top/$place" "$top/$place"/*.[ch]; do
		[ -f "$file" ] || continue
		seen=$((seen + 1))
		expand -t 8 "$file" | awk -v file="${file#"$top/"}" -v name="$test_name" '
			length > 100 && !/^ *(return |[a-z0-9]+ \? |[*a-z]+ \? )?"([^"\\]|\\.)*"[ ,;(){}A-Z]*$/ &&
				!/^ *[a-z_]+\(([A-Za-z_>-]+, )?"([^"\\]|\\.)*",?$/ { printf "%s: %s:%d: %d columns\n", name, file, NR, length; n++ }
			END { exit n > 0 }' >&2 || wrong=1
	done
done
[ "$seen" -gt 60 ] || broken "only $seen files are found"
[ "$wrong" = 0 ] || fail "see above"
