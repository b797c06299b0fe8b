#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# writes.sh - a parent that writes everything after prepare.
. "$(dirname "$0")/../lib.sh"
run_state writes
