#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# fpu.sh - rounding mode and other control bits of both floating-point units.
. "$(dirname "$0")/../lib.sh"
run_state fpu
