#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# stripes.sh - thousands of areas.
. "$(dirname "$0")/../lib.sh"
run_state stripes
