#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# protect.sh - read-only and inaccessible memory keeps its bytes and its protection.
. "$(dirname "$0")/../lib.sh"
run_state protect
