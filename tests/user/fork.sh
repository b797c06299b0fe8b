#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# fork.sh - fork in a child, and below it.
. "$(dirname "$0")/../lib.sh"
run_state fork
