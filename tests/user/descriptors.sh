#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# descriptors.sh - open files at their offsets; what cannot be had is closed.
. "$(dirname "$0")/../lib.sh"
run_state descriptors
