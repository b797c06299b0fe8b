#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# thp.sh - transparent huge pages, one of them with a hole.
. "$(dirname "$0")/../lib.sh"
run_state thp
