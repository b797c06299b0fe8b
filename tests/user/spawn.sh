#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# spawn.sh - system, popen and posix_spawn.
. "$(dirname "$0")/../lib.sh"
run_state spawn
