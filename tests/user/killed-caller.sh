#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# killed-caller.sh - a program with threads is killed after it has made its tracer and before it has told it to begin: the
# tracer ends, too.
. "$(dirname "$0")/../lib.sh"
need_command strace
strace -e trace=none -e inject=getppid:signal=KILL:when=2 true 2>/dev/null || skip "strace cannot kill here"

program=$work_dir/program
cp "$build_dir/tests/user/hooks-static" "$program" || broken "no tests/user/hooks-static"
left() { find /proc -mindepth 2 -maxdepth 2 -name exe -lname "$program*" 2>/dev/null | cut -d / -f 3; }
end_left() {
	local pid
	for pid in $(left); do
		kill -KILL "$pid"
	done
}
cleanups+=(end_left)
nobody() { [ -z "$(left)" ]; }

# By the call that allows the tracer to trace, which comes in between; none of the tracer's calls is looked at.
strace -qq -o trace -e trace=prctl,clone -e inject=prctl:signal=KILL:when=1 "$program" self threads </dev/null >out 2>err || true
grep -q 'clone(.*CLONE_VM|CLONE_FS)' trace && grep -q 'PR_SET_PTRACER' trace && [ ! -s out ] ||
	broken "it was not killed in between: $(cat trace)"
await 5000 nobody
