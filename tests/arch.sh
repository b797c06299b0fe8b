#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# arch.sh - what belongs to one processor stays in lib/arch: all else compiles for another one.
. "$(dirname "$0")/lib.sh"
source_dir=$tests_dir/..

status=0
"$source_dir/packaging/arch-check" "$build_dir" >out 2>err || status=$?
[ "$status" != 77 ] || skip "$(cat err)"
[ "$status" = 0 ] || fail "$(grep -E 'error|failed' err out | head -n 20)"

doing="a register named elsewhere"
# The check itself finds what it is for.
cp -r "$source_dir/lib" "$source_dir/bin" "$source_dir/kmod" "$source_dir/packaging" .
sed -i '0,/^static/s//unsigned long elsewhere(const struct arch_registers *r);\nunsigned long elsewhere(const struct arch_registers *r) { return r->rsp; }\n&/' \
	lib/state/files/files.c
! packaging/arch-check "$build_dir" >out 2>err || fail "it is not noticed"
grep -q "no member named .rsp" err || fail "$(cat err)"
