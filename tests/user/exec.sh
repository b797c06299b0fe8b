#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# exec.sh - a child that becomes another program.
. "$(dirname "$0")/../lib.sh"
run_state exec
