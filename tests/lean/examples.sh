#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# What the help and the manuals of both tools give as examples works as it is typed, in their order. A
# reference, a device and an image are put in the place of those that only an example has.
# shellcheck source-path=SCRIPTDIR source=lean.sh
. "$(dirname "$0")/lean.sh"
need_root
need_lean
need_python
PATH=$bin_dir:$PATH

# The image of the examples, if it can be made here.
if command -v umoci >/dev/null && [ -x /bin/busybox ]; then
	umoci init --layout layout >/dev/null 2>&1 && umoci new --image layout:latest >/dev/null 2>&1 &&
		umoci unpack --image layout:latest bundle >/dev/null 2>&1 && mkdir -p bundle/rootfs/bin &&
		cp /bin/busybox bundle/rootfs/bin/sh && umoci repack --image layout:latest bundle >/dev/null 2>&1 || broken umoci
fi
device=/dev/urandom
[ -c /dev/mitosis ] && device=/dev/mitosis

# examples TOOL: the lines that its help and its manual give
examples() {
	"$bin_dir/$1" --help | sed -n '/^Examples:/,/^$/s/^  //p'
	sed -n 's/^\.Dl //p' "$tests_dir/../man/$1.1" | sed 's/\\-/-/g'
}
examples mitosis-leanprep >lines
examples mitosis-leanrun >>lines
[ "$(grep -c '^mitosis-leanprep create hello' lines)" = 2 ] || fail "the lines are not those that were expected: $(<lines)"
start_parent "$state_tool" data
seen=0
while read -r line; do
	doing=$line
	case $line in
	*oci:* ) [ -d layout ] || continue ;;
	*--bench-pause*) need_cgroup hello ;;
	esac
	line=${line//mitosis:\/\/node1:7373\/.../$ref}
	expect 0 bash -o pipefail -c "${line//\/dev\/mitosis/$device}"
	case $line in
	*'print(1)'*) prints 1 ;;
	*--pool*--steps*) # of the statistics
		for column in start_ns slot_ns clone_ns mount_ns confine_ns exec_ns; do
			awk -F '\t' -v column="$column" '$5 == column && $6 == 1000 && $4 == 0 { found = 1 } END { exit !found }' out ||
				fail "no 1000 values of $column"
		done
		;;
	*--child*) [ "$(column out status | sort | uniq -c | awk '{ print $1, $2 }')" = "100 0" ] || fail "the children's statuses are not 0" ;;
	esac
	seen=$((seen + 1))
done <lines
[ "$seen" -ge 10 ] || fail "only $seen examples"
exit 0
