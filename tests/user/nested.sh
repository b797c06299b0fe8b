#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# nested.sh - a child that is itself prepared, and its child.
. "$(dirname "$0")/../lib.sh"
run_state nested
