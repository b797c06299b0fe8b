#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# guards.sh - pages that no access may reach (MADV_GUARD_INSTALL).
. "$(dirname "$0")/../lib.sh"
run_state guards
