#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# killed-tracer.sh - a tracer is killed at one step after the other: its process goes on as it was, with the signals blocked
# that it had blocked and memory that is its own, and of what was made of it nothing is left.
. "$(dirname "$0")/../lib.sh"
need_command strace
strace -e trace=none -e inject=getppid:signal=KILL:when=2 true 2>/dev/null || skip "strace cannot kill here"

program=$work_dir/interrupted
cp "$build_dir/tests/user/interrupted" "$program" || broken "no tests/user/interrupted"
launch_parent /dev/null "$program"
await 10000 has_line parent.out '^waiting$'
masks() { sed -n 's/^SigBlk:[[:space:]]*//p' /proc/"$parent"/task/*/status; }
alone() { [ "$(find /proc -mindepth 2 -maxdepth 2 -name exe -lname "$program*" 2>/dev/null)" = "/proc/$parent/exe" ]; }
told() { [ "$(grep -c '^calls' parent.out)" -gt "$before" ]; }
size() { cut -d ' ' -f 1 "/proc/$parent/statm"; }

masks >blocked
old=$(size)
for ((step = 1 + RANDOM % 9, kills = 0; ; step += 9)); do
	doing="killed in its call $step of ptrace(2)"
	status=0
	strace -f -qq -o trace -e trace=ptrace -e "inject=ptrace:signal=KILL:when=$step" \
		"$parent_tool" --pid "$parent" >out 2>err || status=$?
	grep -q 'killed by SIGKILL' trace || break
	kills=$((kills + 1))
	before=$(grep -c '^calls' parent.out)
	kill -USR1 "$parent" 2>/dev/null || fail "the process has ended"
	await 10000 told
	no_line parent.out '\(early\|trampled\) [1-9]' || fail "$(tail -n 1 parent.out)"
	masks >now
	cmp -s blocked now || fail "other signals are blocked: $(diff blocked now)"
	await 10000 alone
done
doing="$kills kills"
[ "$status" = 0 ] && [[ $(<out) =~ $reference ]] || fail "status $status: $(cat out err)"
((kills >= 15)) || fail "there were so few"
# A page at a time, where its calls leave their answers.
(($(size) <= old + kills)) || fail "it has grown by $(($(size) - old)) pages"

doing="a child after all that"
start_child child "$(<out)"
runs() { has_line child.out '^calls [1-9]' || { kill -USR1 "$child" && false; }; }
supervisor=$child
has_child() { pgrep -P "$supervisor" >/dev/null; }
await 20000 has_child
await 20000 runs
no_line child.out '\(early\|trampled\) [1-9]' || fail "$(cat child.out)"
kill "$child"
finish "$child" 10000
expect_status 143
