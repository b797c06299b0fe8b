#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# raw-clone.sh - a copy made behind the library's back never sees wrong bytes.
. "$(dirname "$0")/../lib.sh"
run_state raw-clone
