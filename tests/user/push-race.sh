#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# push-race.sh - memory that is discarded while the background brings it.
. "$(dirname "$0")/../lib.sh"
run_state push-race
