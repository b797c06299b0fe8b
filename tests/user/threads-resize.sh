#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# threads-resize.sh - threads that grow and shrink blocks of their own.
. "$(dirname "$0")/../lib.sh"
run_state threads-resize
