#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# timers.sh - interval timers.
. "$(dirname "$0")/../lib.sh"
run_state timers
