#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# stack.sh - a deep stack, and a deeper one.
. "$(dirname "$0")/../lib.sh"
run_state stack
