#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# again.sh - two snapshots of one process.
. "$(dirname "$0")/../lib.sh"
run_state again
