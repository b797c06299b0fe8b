#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# malloc.sh - the allocator goes on with its lists; realloc of big blocks.
. "$(dirname "$0")/../lib.sh"
run_state malloc
