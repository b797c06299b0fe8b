#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# dispatch.sh - a program whose calls may be signals (syscall user dispatch) is refused by name, and none of its threads
# notices: neither those that had been noted by then nor the others.
. "$(dirname "$0")/../lib.sh"

launch_parent /dev/null "$build_dir/tests/user/interrupted" dispatch
waiting_or_end() { has_line parent.out '^waiting$' || gone "$parent"; }
await 10000 waiting_or_end
has_line parent.out '^waiting$' || skip "there is no syscall user dispatch here"
caught() { sed -n 's/^SigCgt:[[:space:]]*//p' "/proc/$parent/status"; }
before=$(caught)
refused() {
	[ "$status" = 1 ] && [ ! -s out ] || fail "status $status: $(cat out err)"
	said err "^mitosis-parent: process $parent: thread $parent uses syscall user dispatch\$"
	rm err
	alive "$parent" || fail "the program has ended"
	calls=$(ended_calls)
	await 10000 told
	no_line parent.out '\(eintr\|early\|dispatched\) [1-9]' || fail "$(tail -n 1 parent.out)"
	[ "$(caught)" = "$before" ] || fail "its handlers are others"
}
ended_calls() { sed -n 's/^calls \([0-9]*\) .*/\1/p' parent.out | tail -n 1; }
# Of all threads.
told() { [ "$(ended_calls)" -gt $((${calls:-0} + 24)) ] || { kill -USR1 "$parent" && false; }; }
for doing in first second third; do
	status=0
	"$parent_tool" --pid "$parent" >out 2>err || status=$?
	refused
done

# Before Linux 6.4 a tracer is not told, but hears what becomes of its first call.
doing="untold"
command -v strace >/dev/null || exit 0
# numbered: which call of ptrace(2) is the question
numbered() { grep 'ptrace(' trace | grep -n -m 1 -e 0x4211 -e USER_DISPATCH | cut -d : -f 1; }
strace -f -qq -o trace -e trace=ptrace "$parent_tool" --pid "$parent" >out 2>err
[ -n "$(numbered)" ] || exit 0
for ((attempt = 0; attempt < 10; attempt++)); do
	status=0
	strace -f -qq -o trace -e trace=ptrace -e "inject=ptrace:error=EIO:when=$(numbered)" \
		"$parent_tool" --pid "$parent" >out 2>err || status=$?
	grep INJECTED trace | grep -q -e 0x4211 -e USER_DISPATCH && break
done
((attempt < 10)) || broken "the question is never the same call"
refused
