#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# dontneed.sh - MADV_DONTNEED and MADV_FREE on pages that are here or not.
. "$(dirname "$0")/../lib.sh"
run_state dontneed
