#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# hugepages.sh - private huge pages: with none to spare the kernel takes them from a copy, so that a child is refused.
. "$(dirname "$0")/../lib.sh"
need_root

pool=/proc/sys/vm/nr_hugepages
before=$(<$pool) || skip "no huge pages (hugetlbfs) in this kernel"
give_back() { echo "$before" >$pool; }
cleanups+=(give_back)
echo $((before + 1)) >$pool 2>/dev/null || skip "$pool may not be written here"
[ "$(<$pool)" -gt "$before" ] || skip "no huge page is free here"
start_parent "$helper_tool" hugepage
for mode in eager demand; do
	doing=$mode
	run_child 5000 --mode "$mode" "$ref"
	expect_status 125
	expect_message "it has private huge pages (MAP_HUGETLB), which the kernel may take from a copy"
done
