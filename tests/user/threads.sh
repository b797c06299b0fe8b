#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# threads.sh - threads that read while others discard and move.
. "$(dirname "$0")/../lib.sh"
run_state threads
