#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# stdio.sh - buffers of stdio, and the file behind them.
. "$(dirname "$0")/../lib.sh"
run_state stdio
