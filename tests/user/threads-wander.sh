#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# threads-wander.sh - threads that move areas into places that others have just left.
. "$(dirname "$0")/../lib.sh"
run_state threads-wander
