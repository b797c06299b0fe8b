#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# identity.sh - names and numbers of the process and its thread.
. "$(dirname "$0")/../lib.sh"
run_state identity
