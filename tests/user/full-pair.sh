#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# full-pair.sh - sockets of the parent's that had something on its way are not made anew, empty: they are named.
. "$(dirname "$0")/../lib.sh"

start_parent "$state_tool" full-pair
run_child 20000 "$ref"
expect_status 0
[ "$(tail -n 1 child.out)" = "ok full-pair" ] || fail "$(cat child.out)"
[ "$(grep -o 'descriptor [0-9]* is closed (socket:\[[0-9]*\])' child.err | wc -l)" = 2 ] || fail "it says: $(cat child.err)"
run_child 20000 --strict "$ref"
expect_status 125
