#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# brk.sh - the heap grows and shrinks on.
. "$(dirname "$0")/../lib.sh"
run_state brk
