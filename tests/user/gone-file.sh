#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# gone-file.sh - a mapped file that was removed: its pages travel.
. "$(dirname "$0")/../lib.sh"
run_state gone-file
