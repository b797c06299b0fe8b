#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# leased.sh - a lease is the parent's alone: to make a snapshot and children neither breaks it nor waits for it.
. "$(dirname "$0")/../lib.sh"

has_leases() {
	# Of a lease that somebody broke the kernel would say BREAKING, and by SIGIO the parent would have ended.
	[ "$(cat "/proc/$parent/fdinfo/"* | grep -c 'LEASE *ACTIVE *\(READ\|WRITE\)')" = 2 ] ||
		fail "the parent's leases: $(cat "/proc/$parent/fdinfo/"* | grep LEASE)"
}

start_parent "$state_tool" leased
find_shadow
has_leases
while read -r options; do
	doing=$options
	# shellcheck disable=SC2086
	run_child 20000 $options "$ref"
	expect_status 0
	[ "$(tail -n 1 child.out)" = "ok leased" ] || fail "$(cat child.out)"
	[ "$(wc -l <child.err)" = 1 ] || fail "not one message"
	grep -Eq "the lease on descriptor [0-9]+ is the parent's alone \($PWD/leased for reading\); the lease on \
descriptor [0-9]+ is the parent's alone \($PWD/leased for writing\); descriptor [0-9]+ is closed \
\($PWD/leased for writing\)$" child.err || fail "it says: $(cat child.err)"
	has_leases
done < <(all_modes)
doing=
run_child 20000 --strict "$ref"
expect_status 125
expect_message "refused, since the child would not be what its parent is: the lease on descriptor "
has_leases
end_parent
[ "$status" = 0 ] || fail "the parent's status is $status"
