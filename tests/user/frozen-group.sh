#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# frozen-group.sh - a process whose control group is frozen makes no calls for a tracer: that is said soon, by name, and
# once the group is thawed the process goes on as it was.
. "$(dirname "$0")/../lib.sh"
need_root

group=
leave() {
	[ -n "$group" ] || return 0
	set_frozen 0
	kill -KILL "$parent"
	wait "$parent"
	rmdir "$group"
} 2>/dev/null
cleanups+=(leave)
# make_group KIND: of the first hierarchy of that kind
make_group() {
	local place
	group=
	kind=$1
	if [ "$kind" = unified ]; then
		place=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)
	else
		place=$(awk '$3 == "cgroup" && $4 ~ /(^|,)freezer(,|$)/ { print $2; exit }' /proc/self/mounts)
	fi
	[ -n "$place" ] && mkdir "$place/mitosis-test-$$" 2>/dev/null || return 1
	group=$place/mitosis-test-$$
	if [ "$kind" = unified ]; then [ -e "$group/cgroup.freeze" ]; else [ -e "$group/freezer.state" ]; fi
}
set_frozen() {
	if [ "$kind" = unified ]; then
		echo "$1" >"$group/cgroup.freeze"
	else
		if [ "$1" = 1 ]; then echo FROZEN; else echo THAWED; fi >"$group/freezer.state"
	fi
}
is_frozen() { grep -qs -e '^frozen 1' "$group/cgroup.events" || grep -qs FROZEN "$group/freezer.state"; }
ended_calls() { sed -n 's/^calls \([0-9]*\) .*/\1/p' parent.out | tail -n 1; }
goes_on() { [ "$(ended_calls)" -gt $((${calls:-0} + 24)) ] || { kill -USR1 "$parent" && false; }; }
masks() { sed -n 's/^SigBlk:[[:space:]]*//p' /proc/"$parent"/task/*/status; }
has_size() { [ "$(cut -d ' ' -f 1 "/proc/$parent/statm")" = "$size" ]; }
# refused PATTERN COMMAND...: within seconds, and nothing is left
refused() {
	local pattern=$1
	shift
	status=0
	timeout $((15 * patience)) "$@" "$parent_tool" --pid "$parent" >out 2>err || status=$?
	[ "$status" = 1 ] && [ ! -s out ] || fail "status $status: $(cat out err)"
	said err "^mitosis-parent: process $parent: $pattern"
	[ "$(wc -l <err)" = 1 ] || fail "more than one message"
	rm err
	is_frozen || fail "it is not frozen any more"
}

found=0
for kind in unified old; do
	doing="$kind hierarchy"
	make_group "$kind" || { leave; continue; }
	found=1
	launch_parent /dev/null "$build_dir/tests/user/interrupted"
	await 10000 has_line parent.out '^waiting$'
	masks >before
	size=$(cut -d ' ' -f 1 "/proc/$parent/statm")
	echo "$parent" >"$group/cgroup.procs" || broken "$group"
	set_frozen 1
	await 10000 is_frozen
	refused "its control group is frozen ($group)"
	# Where that is not to be seen, by what happens.
	[ -n "$(why_not -m)" ] || refused "\(it does not go on (is its control group frozen?)\|thread [0-9]* does not stop\)" \
		unshare -m sh -c 'umount -l "$0" && exec "$@"' "$(dirname "$group")"
	grep -q '^TracerPid:[[:space:]]*0$' "/proc/$parent/status" || fail "it is traced still"
	set_frozen 0
	calls=$(ended_calls)
	await 10000 goes_on
	masks >after
	cmp -s before after || fail "other signals are blocked: $(diff before after)"
	has_size || fail "it has other memory than before"
	no_line parent.out '\(early\|trampled\) [1-9]' || fail "$(tail -n 1 parent.out)"
	expect 0 "$parent_tool" --pid "$parent"
	kill "$parent"
	finish "$parent" 5000
	leave
	group=
done
((found)) || skip "no control groups can be frozen here"
