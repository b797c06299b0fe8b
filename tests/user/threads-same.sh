#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# threads-same.sh - threads that wait for the same pages.
. "$(dirname "$0")/../lib.sh"
run_state threads-same
