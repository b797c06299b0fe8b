#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# gone-short-file.sh - the same, with a mapping that is longer than the file.
. "$(dirname "$0")/../lib.sh"
run_state gone-short-file
