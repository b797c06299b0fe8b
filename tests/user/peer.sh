#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# peer.sh - a shadow that falls silent, closes, truncates or sends nonsense: the child ends with a
# message and status 125 within its limit, and never sees a wrong byte.
. "$(dirname "$0")/../lib.sh"
need_python

modes=("--mode eager")
if "$helper_tool" uffd; then
	modes+=("--mode demand" "--mode demand --no-push --window 1")
fi

# broken_peer AT ACTION MESSAGE [MESSAGE]: what a child says, fetching eagerly and on demand
broken_peer() {
	local at=$1 action=$2 eager=$3 demand=${4:-$3} options
	start_proxy --at "$at" "$action"
	for options in "${modes[@]}"; do
		doing="frame $at, $action, $options"
		# shellcheck disable=SC2086
		run_child 1400 --timeout "$((300 * patience))ms" $options "$proxy_ref"
		expect_status 125
		if [ "$options" = "--mode eager" ]; then
			expect_message "$eager"
		else
			expect_message "$demand"
		fi
		# It may have begun to run, and then found nothing wrong.
		[ ! -s child.out ] || [[ $(<child.out) == running* && $(wc -l <child.out) = 1 ]] || fail "$(cat child.out)"
		[ "$(wc -l <child.err)" = 1 ] || fail "more than one message"
	done
	doing=
	end_proxy
}

start_parent "$state_tool" slow

# The descriptor.
broken_peer 0 stop "no answer in time"
broken_peer 0 half "connection lost: Connection timed out"
broken_peer 0 close "connection lost: Connection reset by peer"
broken_peer 0 reset "connection lost: Connection reset by peer"
broken_peer 0 shutdown "connection lost: Connection reset by peer"
broken_peer 0 type "not a mitosis snapshot, or another protocol"
broken_peer 0 length "malformed descriptor: impossible length"
broken_peer 0 pages "malformed descriptor: impossible length"
broken_peer 0 error "refused: a reason?[31m?"

# The first pages, and later ones.
fetching="cannot resume: fetching memory at 0x"
for at in 1 5; do
	broken_peer $at stop "$fetching" "no answer from the parent's host in time"
	broken_peer $at half "$fetching" "no answer from the parent's host in time"
	broken_peer $at close "$fetching" "connection to the snapshot lost"
	broken_peer $at reset "$fetching" "connection to the snapshot lost"
	broken_peer $at shutdown "$fetching" "connection to the snapshot lost"
done
unexpected="protocol error: unexpected frame"
broken_peer 1 type "$fetching" "$unexpected"
broken_peer 1 length "$fetching" "$unexpected"
broken_peer 1 address "$fetching" "$unexpected"
broken_peer 1 pages "$fetching" "$unexpected"
broken_peer 1 error "$fetching" "the parent's host refused to send a page"

# Slow is not wrong.
start_parent "$state_tool" data
start_proxy --at 0 slow
while read -r options; do
	doing="slow, $options"
	# shellcheck disable=SC2086
	run_child 20000 --timeout 2s $options "$proxy_ref"
	expect_status 0
	expect_output "ok data"
done < <(all_modes)
doing=
end_proxy

# After all of that the shadow still serves.
run_child 5000 "$ref"
expect_status 0
