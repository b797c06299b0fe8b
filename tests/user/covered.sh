#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# covered.sh - a mapped file over which another is mounted that looks the same.
. "$(dirname "$0")/../lib.sh"

need_root
need_namespaces -m
mkdir there
start_parent "$helper_tool" covered "$PWD/there"
# The child's host has the other file.
nsenter -t "$parent" -m "$bin_dir/mitosis-child" "$ref" >child.out 2>child.err || fail "status $?"
[ "$(<child.out)" = "ok covered" ] || fail "$(<child.out)"
