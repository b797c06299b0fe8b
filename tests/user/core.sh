#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# core.sh - a child's core dump has no zeros where memory has not arrived yet: such memory is left out of it.
. "$(dirname "$0")/../lib.sh"
need_python

core_tool=$build_dir/tests/user/core
pattern=$(</proc/sys/kernel/core_pattern)
case $pattern in
core) ;;
*) skip "core dumps do not go to a file \"core\" here (kernel.core_pattern is $pattern)" ;;
esac
[ "$(ulimit -Hc)" != 0 ] || skip "there are no core dumps here (the hard limit is 0)"

# holds WHEN TEXT [OPTION]...: what the core dump of a child has of its 4 MiB
holds() {
	local when=$1 text=$2 said address
	shift 2
	doing="$when, $*"
	start_parent "$core_tool" "$when"
	rm -f core*
	run_child 20000 "$@" "$ref"
	expect_status 134	# SIGABRT
	await 10000 compgen -G 'core*' >/dev/null
	address=$(head -n 1 parent.out)
	said=$("$python" "$tests_dir/user/core.py" "$(compgen -G 'core*')" "$address" $((4 << 20))) || fail "core.py"
	[ "$said" = "$text" ] || fail "the core dump has $said, not $text"
	end_parent
}

all="4194304 bytes of Z"
holds once "$all" --mode eager
if "$helper_tool" uffd >/dev/null; then
	holds once nothing --mode demand --no-push
	holds drained "$all" --mode demand --no-push
	holds arrived "$all" --mode demand

	# Another program is not concerned: it gets back what it would have.
	doing=exec
	start_parent "$core_tool" exec
	mkfifo typed
	"$child_tool" --mode demand --no-push "$ref" <typed >child.out 2>child.err &
	child=$!
	pids+=("$child")
	exec {typed_fd}>typed
	await 10000 has_line child.out .
	real=$(real_child "$child") || fail "no child below the supervisor"
	same_filter() { cmp -s "/proc/$real/coredump_filter" /proc/$$/coredump_filter; }
	await 10000 same_filter
fi
