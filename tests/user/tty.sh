#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# tty.sh - a child has its own terminal in its parent's modes; whoever started it gets it back as it was.
. "$(dirname "$0")/../lib.sh"
need_python

doing="a parent and children on terminals"
expect 0 "$python" "$tests_dir/user/session.py" "$bin_dir/mitosis-child" "$patience" "$state_tool" tty
