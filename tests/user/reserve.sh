#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# reserve.sh - a reserve without permissions, opened piece by piece.
. "$(dirname "$0")/../lib.sh"
run_state reserve
