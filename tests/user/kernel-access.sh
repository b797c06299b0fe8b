#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# kernel-access.sh - system calls that read and write missing pages.
. "$(dirname "$0")/../lib.sh"
run_state kernel-access
