#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# fork-threads.sh - several threads that fork at once.
. "$(dirname "$0")/../lib.sh"
run_state fork-threads
