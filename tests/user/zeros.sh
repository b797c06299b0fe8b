#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# zeros.sh - pages read but never written, written with zeros, never touched.
. "$(dirname "$0")/../lib.sh"
run_state zeros
