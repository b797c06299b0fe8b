#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# drain.sh - a child that fetches everything and depends on nobody.
. "$(dirname "$0")/../lib.sh"
run_state drain
