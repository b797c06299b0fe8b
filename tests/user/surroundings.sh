#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# surroundings.sh - directory, umask, limits, environment.
. "$(dirname "$0")/../lib.sh"
run_state surroundings
