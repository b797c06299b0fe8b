#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# mitosis-ls: lists, names and releases snapshots; an empty list is the header alone; what does not
# exist is an error.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
ls=$bin_dir/mitosis-ls
label=ls-$$

# serve NAME OPTION...: a counter that is prepared; its pid and reference in $parent and $ref
serve() {
	local name=$1
	shift
	"$parent_tool" --after 1 --interval 50ms "$@" >"$name.out" 2>"$name.err" </dev/null &
	parent=$!
	pids+=("$parent")
	await_reference "$name.out"
	# The reference is there before the shadow has its socket.
	await 5000 has_shadow "$parent"
}
serve first --label "$label" --wss 1M
first=$ref first_parent=$parent
serve second --label "$label"
second=$ref second_parent=$parent
serve third --label "$label-c" --lifetime 60s
third=$ref third_parent=$parent
release_third() { "$ls" --release "$third" 2>/dev/null; }
cleanups+=(release_third)

doing=list
"$ls" "$label" >out 2>ls.err || fail "status $?"
[ "$(grep -c '^mitosis://' out)" = 2 ] || fail "not two: $(cat out)"
[ "$(sed -n 3p out | cut -f 1-3)" = "$first"$'\t'"$label"$'\t'"$first_parent" ] || fail "first: $(cat out)"
[ "$(sed -n 3p out | cut -f 6)" -ge 1048576 ] || fail "bytes: $(cat out)"
[ "$("$ls" -q "$third_parent")" = "$third" ] || fail "by the parent's pid"
[ "$("$ls" -q "$(shadow_of "$second_parent")")" = "$second" ] || fail "by the shadow's pid"
[ "$(echo "$second" | "$ls" -q -)" = "$second" ] || fail "by standard input"
"$ls" --json "$label-c" | grep -q '"lifetime_ns":60000000000}$' || fail "JSON"
"$ls" "$third" 2>&1 | grep -q "args=.*${third##*/}" && fail "the UUID is in the comment line"
"$ls" >/dev/full 2>err && fail "a full disk is no error"
grep -q 'write error' err || fail "message about the full disk: $(cat err)"

doing=children
start_child child --mode eager --quiet "$third"
served_one() { [ "$("$ls" "$third" | tail -n 1 | cut -f 8)" = 1 ]; }
await 5000 served_one

doing=errors
"$ls" "$label" no-such-thing >out 2>err && fail "what does not exist is no error"
[ "$(cat err)" = "mitosis-ls: no-such-thing: no snapshot of this reference, label or pid" ] || fail "$(cat err)"
[ "$(grep -c '^mitosis://' out)" = 2 ] || fail "the others are missing"
"$ls" --release "${first%/*}/00000000-0000-4000-8000-000000000000" 2>err && fail "a wrong UUID released something"
grep -q 'no such snapshot' err || fail "$(cat err)"
for wrong in --release "--release-all $label" --no-such-option; do
	status=0
	# shellcheck disable=SC2086
	"$ls" $wrong >out 2>err || status=$?
	[ "$status" = 2 ] || fail "$wrong: status $status"
done

doing="one that does not answer"
shadow=$(shadow_of "$second_parent")
kill -STOP "$shadow"
# shellcheck disable=SC2317 # at the end of the test
go_on() { kill -CONT "$shadow" 2>/dev/null; }
cleanups+=(go_on)
status=0
"$ls" "$label" >out 2>err || status=$?
[ "$status" = 1 ] || fail "status $status"
[ "$(cat err)" = "mitosis-ls: snapshot served by process $shadow: cannot be asked: Connection timed out" ] || fail "$(cat err)"
grep -q "^$first" out || fail "the other one is missing: $(cat out)"
"$ls" -q "$third" >out 2>err || fail "status $? for another one's reference: $(cat err)"
go_on
# Not by libtool's script, which needs more.
program=$bin_dir/.libs/mitosis-ls
[ -x "$program" ] || program=$ls
status=0
LD_LIBRARY_PATH=$build_dir/.libs bash -c 'ulimit -n 4 && exec "$1"' - "$program" >out 2>err || status=$?
[ "$status" = 1 ] && grep -q "process $shadow: cannot be asked: Too many open files" err || fail "status $status: $(cat err)"
"$ls" "$label" >out 2>err && [ ! -s err ] || fail "it answers again: $(cat err)"

doing=release
"$ls" --release "$first" "$third_parent" >out 2>err || fail "release: $(cat err)"
[ ! -s out ] || fail "release prints $(cat out)"
"$ls" --references >out
grep -q -e "$first" -e "$third" out && fail "released, and still there"
grep -q "$second" out || fail "the wrong one was released"
"$ls" --release "$first" 2>err && fail "released twice"
[ -s err ] || fail "no message for the second release"
"$ls" --release "$label" || fail "release by label"
[ -z "$("$ls" -q "$label" 2>/dev/null)" ] || fail "by label: still there"

# A user with no snapshots sees none: the header alone.
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null && setpriv --reuid 65533 "$ls" >out 2>err; then
	grep -v '^#' out | grep -c . | grep -qx 1 || fail "an empty list is not the header alone: $(cat out)"
fi
