#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# shared-pipe.sh - what another process of the parent's has, too, is not made anew as if it led there: it is named.
. "$(dirname "$0")/../lib.sh"

start_parent "$state_tool" shared-pipe
run_child 20000 "$ref"
expect_status 0
[ "$(tail -n 1 child.out)" = "ok shared-pipe" ] || fail "$(cat child.out)"
[ "$(grep -o 'descriptor [0-9]* is closed (pipe:\[[0-9]*\], another process has it too)' child.err | wc -l)" = 2 ] ||
	fail "it says: $(cat child.err)"
[ "$(grep -o 'descriptor [0-9]* is closed (anon_inode:\[eventfd\], another process has it too)' child.err | wc -l)" = 1 ] ||
	fail "it says: $(cat child.err)"
[ "$(grep -o 'descriptor [0-9]* is closed (socket:\[[0-9]*\]\(, another process has it too\)*)' child.err | wc -l)" = 2 ] ||
	fail "it says: $(cat child.err)"
[ "$(grep -o 'descriptor' child.err | wc -l)" = 5 ] || fail "it says: $(cat child.err)"
run_child 20000 --strict "$ref"
expect_status 125
