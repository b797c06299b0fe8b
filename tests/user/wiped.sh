#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# wiped.sh - memory that a fork empties (MADV_WIPEONFORK, MAP_DROPPABLE).
. "$(dirname "$0")/../lib.sh"
run_state wiped
