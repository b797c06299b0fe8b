#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# mremap.sh - mremap of pages that are here or not: moved, grown, shrunk, over others.
. "$(dirname "$0")/../lib.sh"
run_state mremap
