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
# A child has all of it: sockets with something on their way cannot be had, and before Linux 6.5 nobody knows what an eventfd is.
[ "$test_name" != descriptors ] || exit 0
lost=$(sed -n 's/.*is not in all what its parent is: //p' child.err)
if [ "$(printf '%s\n' 6.5 "$(uname -r)" | sort -V | head -n 1)" != 6.5 ]; then
	lost=$(sed 's/descriptor [0-9, ]* may be a semaphore, [a-zA-Z0-9. ]* (anon_inode:\[eventfd\])\(; \)\{0,1\}//g' <<<"$lost")
fi
[ -z "$lost" ] || fail "something is lost: $lost"
