#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# changed-file.sh - a mapped file that was replaced after prepare.
. "$(dirname "$0")/../lib.sh"
run_state changed-file
