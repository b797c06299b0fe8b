#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# mremap-discard.sh - moved areas that are discarded, unmapped, exchanged.
. "$(dirname "$0")/../lib.sh"
run_state mremap-discard
