#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# handlers.sh - signal actions and mask.
. "$(dirname "$0")/../lib.sh"
run_state handlers
