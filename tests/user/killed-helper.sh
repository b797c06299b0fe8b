#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# killed-helper.sh - the process that makes a child's namespaces is killed at one step after the other: that is said, and
# nothing is waited for or left, also when the child was there already and nobody had been told.
. "$(dirname "$0")/../lib.sh"
need_command strace
need_namespaces -p -m -f
strace -e trace=none -e inject=getppid:signal=KILL:when=2 true 2>/dev/null || skip "strace cannot kill here"

tool=$work_dir/mitosis-child
cp "$build_dir/bin/mitosis-child" "$tool" || broken "cp"
grep -q -a -m 1 '^#!' "$tool" && skip "mitosis-child is a script here"
launch_parent /dev/null sleep 1000
expect 0 "$parent_tool" --pid "$parent"
ref=$(<out)
nobody() { ! find /proc -mindepth 2 -maxdepth 2 -name exe -lname "$tool*" 2>/dev/null | grep -q .; }
kills=0
for step in unshare:1 clone3:1 sendto:2 sendto:3 clone3:2 sendto:4; do
	doing=$step
	status=0
	timeout -k 1 $((20 * patience)) strace -f -qq -o trace -e "trace=unshare,clone3,sendto" \
		-e "inject=${step%:*}:signal=KILL:when=${step#*:}" "$tool" --how tcp --tids same "$ref" </dev/null >out 2>err || status=$?
	# It was the helper, if the supervisor could tell.
	[ "$status" = 125 ] || fail "status $status: $(cat err trace)"
	said err 'the process that makes them was killed$'
	rm err
	grep -q 'killed by SIGKILL' trace && kills=$((kills + 1))
	await 5000 nobody
done
doing=
((kills == 6)) || fail "there were $kills kills"
alive "$parent" || fail "the parent has ended"
