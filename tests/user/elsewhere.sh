#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# elsewhere.sh - a working directory that is gone, and descriptors above the limit of the child's host.
. "$(dirname "$0")/../lib.sh"

doing="a directory that is gone"
mkdir "gone here"
start_parent env -C "gone here" "$state_tool" data
rmdir "gone here"
run_child 20000 "$ref"
expect_status 0
grep -Eq "it is not in the working directory $PWD/gone here( \(deleted\))? \(No such file or directory\)$" \
	child.err || fail "the message is: $(cat child.err)"
run_child 20000 --strict "$ref"
expect_status 125
expect_message "refused, since the child would not be what its parent is: it is not in the working directory $PWD/gone here"

doing="a directory that may not be entered"
nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)
if [ "$(id -u)" = 0 ] && "${nobody[@]}" "$child_tool" --version >/dev/null 2>&1; then
	mkdir -m 0700 closed
	start_parent env -C closed "$state_tool" data
	status=0
	"${nobody[@]}" "$child_tool" --mode eager "$ref" >child.out 2>child.err || status=$?
	expect_status 0
	expect_message "it is not in the working directory $PWD/closed (Permission denied)"
	[ "$(tail -n 1 child.out)" = "ok data" ] || fail "$(cat child.out)"
fi

doing="a high descriptor"
[ "$(ulimit -H -n)" = unlimited ] || [ "$(ulimit -H -n)" -gt 3000 ] || skip "at most $(ulimit -H -n) descriptors"
ulimit -S -n 3000
exec 2000</dev/null
start_parent "$state_tool" data
exec 2000<&-
ulimit -S -n 256
for mode in demand eager; do
	run_child 20000 --mode "$mode" "$ref"
	expect_status 0
	expect_silence
	[ "$(tail -n 1 child.out)" = "ok data" ] || fail "$(cat child.out)"
done
# The hard limit of this shell, which has nothing left to do.
ulimit -n 1000
for mode in demand eager; do
	run_child 20000 --mode "$mode" "$ref"
	expect_status 125
	grep -Eq "^mitosis-child: 127.0.0.1:$port: .*: Too many open files \(see ulimit -Hn\)$" child.err || fail "the message is: $(cat child.err)"
	[ "$(wc -l <child.err)" = 1 ] || fail "more than one message: $(cat child.err)"
done
