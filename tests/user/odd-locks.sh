#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# odd-locks.sh - locks on sockets, pipes, directories and other things that are no regular files are named, too.
. "$(dirname "$0")/../lib.sh"

start_parent "$state_tool" odd-locks
run_child 20000 --mode eager "$ref"
[ "$status" = 0 ] || fail "$(cat child.out)"
[ "$(tail -n 1 child.out)" = "ok odd-locks" ] || fail "$(cat child.out)"
[ "$(wc -l <child.err)" = 1 ] || fail "not one message"
lock="the lock of flock\(2\) on descriptor [0-9]+ is the parent's alone"
wanted=
for what in 'socket:\[[0-9]+\]' 'pipe:\[[0-9]+\]' 'socket:\[[0-9]+\]' '/memfd:locked \(deleted\)' '/dev/pts/[0-9]+' /dev/zero "$PWD"; do
	wanted+="${wanted:+; }$lock \($what\)"
done
losses=$(<child.err)
losses=${losses#*: the child is not in all what its parent is: }
[[ $losses =~ ^$wanted$ ]] || fail "it says: $losses"
run_child 20000 --strict "$ref"
expect_status 125
expect_message "refused, since the child would not be what its parent is: the lock of flock(2) on descriptor "
