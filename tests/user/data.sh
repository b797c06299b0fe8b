#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# data.sh - initialized data, .bss and relocated constants.
. "$(dirname "$0")/../lib.sh"
run_state data
