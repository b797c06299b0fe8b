#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# altstack.sh - the alternative signal stack.
. "$(dirname "$0")/../lib.sh"
run_state altstack
