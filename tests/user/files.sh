#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# files.sh - private and shared mappings of files.
. "$(dirname "$0")/../lib.sh"
run_state files
