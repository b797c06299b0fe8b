#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# unprivileged.sh - without userfaultfd all memory is fetched first, which is said once.
. "$(dirname "$0")/../lib.sh"
need_root
need_command setpriv
as_nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
chmod 755 . || broken chmod
if as_nobody "$helper_tool" uffd; then
	skip "userfaultfd is available to every user here"
fi
as_nobody test -x "$state_tool" || skip "the build directory cannot be read by other users"

for state in data fork raw-clone fork-threads mremap dontneed threads surroundings; do
	doing=$state
	rm -rf 'a directory'
	mkdir -p nobody
	chmod 777 nobody
	# A parent and a child of an ordinary user.
	start_parent env -C nobody setpriv --reuid=65534 --regid=65534 --clear-groups "$state_tool" "$state"
	as_nobody "$child_tool" "$ref" >child.out 2>child.err
	status=$?
	expect_status 0
	expect_output "ok $state"
	expect_message "userfaultfd: Operation not permitted: all memory is fetched before the child runs"
	[ "$(wc -l <child.err)" = 1 ] || fail "said more than once"
	# On request nothing is said.
	as_nobody "$child_tool" --mode eager "$ref" >child.out 2>child.err
	status=$?
	expect_status 0
	expect_silence
	# Insisted upon: refused.
	as_nobody "$child_tool" --mode demand "$ref" >child.out 2>child.err
	status=$?
	expect_status 125
	expect_message "userfaultfd: Operation not permitted: memory cannot be fetched on demand"
done
doing=

# Root becomes a child of a user's process, and a user of root's.
start_parent "$state_tool" data
as_nobody "$child_tool" "$ref" >child.out 2>child.err
status=$?
expect_status 0
expect_output "ok data"
