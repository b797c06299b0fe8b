#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# clock.sh - the vDSO's clocks.
. "$(dirname "$0")/../lib.sh"
run_state clock
