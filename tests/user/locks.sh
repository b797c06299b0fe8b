#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# locks.sh - locks that the parent held at the instant are named, and nothing else; with --strict there is no child.
. "$(dirname "$0")/../lib.sh"

start_parent "$state_tool" locks
run_child 20000 "$ref"
expect_status 0
[ "$(tail -n 1 child.out)" = "ok locks" ] || fail "$(cat child.out)"
[ "$(wc -l <child.err)" = 1 ] || fail "not one message"
losses=$(<child.err)
losses=${losses#*: the child is not in all what its parent is: }
# In the order of the program's descriptors.
numbers='[0-9]+'
wanted="the lock of flock\(2\) on descriptor $numbers, $numbers is the parent's alone \($PWD/by flock\); \
the lock of fcntl\(2\) on descriptor $numbers is the parent's alone \($PWD/by posix\); \
the open file description lock on descriptor $numbers is the parent's alone \($PWD/by ofd\); \
the lock of flock\(2\) on descriptor $numbers is the parent's alone \($PWD/by all\); \
the lock of fcntl\(2\) on descriptor $numbers is the parent's alone \($PWD/by all\); \
the open file description lock on descriptor $numbers is the parent's alone \($PWD/by all\)"
[[ $losses =~ ^$wanted$ ]] || fail "it says: $losses"
run_child 20000 --strict "$ref"
expect_status 125
expect_message "refused, since the child would not be what its parent is: the lock of flock(2) on descriptor "
[ ! -s child.out ] || fail "it ran"
end_parent
[ "$status" = 0 ] || fail "the parent's status is $status"
