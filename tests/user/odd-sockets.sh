#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# odd-sockets.sh - what a child's socket has not is named: groups, what they were told, the port that it sends from.
. "$(dirname "$0")/../lib.sh"

start_parent "$state_tool" odd-sockets
run_child 20000 "$ref"
expect_status 0
[ "$(tail -n 1 child.out)" = "ok odd-sockets" ] || fail "$(cat child.out)"
members=1
! grep -qs ' lo$' /proc/net/if_inet6 || members=2
[ "$(grep -o 'is in no multicast group' child.err | wc -l)" = "$members" ] || fail "it says: $(cat child.err)"
expect_message "hears only what its groups are told from now on"
expect_message "sends from another address or port"
expect_message "has not got what had arrived"
[ "$(grep -o 'descriptor' child.err | wc -l)" = $((members + 3)) ] || fail "it says: $(cat child.err)"
run_child 20000 --strict "$ref"
expect_status 125
