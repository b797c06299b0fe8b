#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# cycles.sh - prepare, resume, exit, release, many times (MITOSIS_CYCLES): nothing accumulates.
. "$(dirname "$0")/../lib.sh"

mine() { for name in $(grep -o '@mitosis-exp/.*' /proc/net/unix); do ppid_of "${name##*/}"; done | grep -cx "$1"; }

background cycles.out cycles.err "$build_dir/tests/user/cycles"
cycles=$!
pids+=("$cycles")
finish "$cycles" 300000
cat cycles.out
[ "$status" = 99 ] && broken "cycles"
[ "$status" = 0 ] || fail "$(cat cycles.out)"
[ ! -s cycles.err ] || fail "messages"
[ "$(mine "$cycles")" = 0 ] || fail "snapshots are left behind"
