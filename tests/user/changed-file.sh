#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# changed-file.sh - a mapped file that was replaced after prepare, later or at the same moment.
. "$(dirname "$0")/../lib.sh"
run_state changed-file
run_state changed-file-at-once
