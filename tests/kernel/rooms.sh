#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# The files of the module stand on each other in the order of the table in kmod/README.md: none includes, or
# calls a function of, one that stands below it there. So there is no circle. Whether an order is kept is
# seen from the sources, and from the symbols of the objects where the headers of a kernel are installed.

# shellcheck source-path=SCRIPTDIR source=kernel.sh
. "$(dirname "$0")/kernel.sh"

# What a file is called in the table: without its suffix, and all of compat/ is one.
# shellcheck disable=SC2016 # the backquotes are those of Markdown
table() { sed -n 's/^| `\([a-z_-]*\)` |.*/\1/p' "$1/README.md"; }
room() { sed 's/^compat\/.*/compat/; s/\.[a-z]*$//'; }

# includes DIRECTORY: "FILE FILE", each time one includes another
includes() {
	local file
	for file in "$1"/*.[ch]; do
		sed -n 's/^#include "\(.*\)"$/\1/p' "$file" | room | sed "s/^/$(basename "$file" | room) /"
	done
}

# calls DIRECTORY: the same, each time the object of one needs a symbol that another defines
calls() {
	local object
	for object in "$1"/*.o; do
		# The directory is kept from test to test: what has no source any more is none of the module's.
		[ -e "$kmod_dir/$(basename "$object" .o).c" ] || continue
		nm "$object" | sed -n "s/^.* \([A-Z]\) \([^ ]*\)$/\1 \2 $(basename "$object" .o)/p"
	done >symbols
	awk 'FNR == NR { if ($1 != "U" && $1 != "W") where[$2] = $3; next }
		$1 == "U" && $2 in where { print $3, where[$2] }' symbols symbols
}

# against TABLE: edges on stdin that lead to a file which is not above; prints them
against() {
	awk 'FNR == NR { place[$1] = FNR; next } $1 != $2 && !(place[$2] < place[$1])' "$1" - | sort -u
}

# each_has_a_place DIRECTORY TABLE: and the table has no file that is not there
each_has_a_place() {
	for file in "$1"/*.[ch]; do
		basename "$file" | room
	done | { cat; echo compat; } | sort -u | diff - <(sort "$2")
}

table "$kmod_dir" >order
[ "$(wc -l <order)" -gt 20 ] || fail "the table in kmod/README.md is not found any more"
each_has_a_place "$kmod_dir" order >wrong || fail "kmod/README.md's table and the files differ: $(cat wrong)"
includes "$kmod_dir" >edges
[ "$(wc -l <edges)" -gt 60 ] || fail "only $(wc -l <edges) includes are found"
[ -z "$(against order <edges)" ] || fail "includes against the order: $(against order <edges)"

doing="a planted include"
echo "counters rdma-device" | against order | grep -q . || fail "a file at the ground may include one above it"

doing="sides"
# By name, so that the table cannot be turned round to allow it: the sides meet in the files that have none.
! grep -E '^srv-[a-z]* (clt|mem)-|^clt-[a-z]* (srv|mem)-|^mem-[a-z]* srv-|^rdma-[a-z]* (srv|clt|mem)-' edges ||
	fail "the sides know each other"

need_command make nm
mapfile -t versions < <(kernels_with_headers)
[ "${#versions[@]}" != 0 ] || exit 0
doing="symbols, ${versions[0]}"
build_module "${versions[0]}"
calls "$(dirname "$module")" | sort -u >edges
[ "$(wc -l <edges)" -gt 60 ] || fail "only $(wc -l <edges) calls are found: $(cat edges)"
[ -z "$(against order <edges)" ] || fail "calls against the order: $(against order <edges)"
! grep -E '^srv-[a-z]* (clt|mem)-|^clt-[a-z]* (srv|mem)-|^mem-[a-z]* srv-|^rdma-[a-z]* (srv|clt|mem)-' edges ||
	fail "the sides call each other"
# It is acyclic by the order; tsort says so without the table.
awk '$1 != $2' edges | tsort >/dev/null 2>circle || fail "a circle: $(cat circle)"
exit 0
