#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# pending.sh - pending signals.
. "$(dirname "$0")/../lib.sh"
run_state pending
