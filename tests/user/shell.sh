#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# shell.sh - a shell's child is a shell with job control on its own terminal.
. "$(dirname "$0")/../lib.sh"
need_python
need_namespaces -p -f --mount-proc	# its parent's number is its own there

doing="a shell"
expect 0 "$python" "$tests_dir/user/shell.py" "$parent_tool" "$child_tool" "$patience"
