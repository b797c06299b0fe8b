#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# munmap.sh - munmap, and new mappings at the old place.
. "$(dirname "$0")/../lib.sh"
run_state munmap
