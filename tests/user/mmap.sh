#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# mmap.sh - many mappings, and new ones between them.
. "$(dirname "$0")/../lib.sh"
run_state mmap
