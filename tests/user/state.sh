#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# state.sh - a state of a process that children must find as their parent left it.
#
# Which one is the script's name: tests/user/brk.sh in the build directory is a symbolic link to this, and
# so are all of state_tests in tests/Makemodule.am. "tests/user/state" lists the states and what they are.
# shellcheck source-path=SCRIPTDIR/.. source=lib.sh
. "$(dirname "$(readlink -f "$0")")/../lib.sh"
run_state "$test_name"
