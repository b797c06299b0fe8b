#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# docs-kinds.sh - the table of what a child has of its parent, in mitosis-child(1), agrees with the code.
. "$(dirname "$0")/lib.sh"
need_python

"$python" "$tests_dir/docs/kinds.py" "$tests_dir/.." "$build_dir" || fail "the table and the code do not agree"
