#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# unix-sockets.sh - unix sockets are bound again to their paths and names; what is in the way is told, and left alone.
. "$(dirname "$0")/../lib.sh"

start_parent "$state_tool" unix-sockets
# The parent has closed its own, and left their files.
doing="files in the way"
run_child 20000 --mode eager "$ref"
expect_status 125
expect_message "the file $work_dir/listener.socket is in the way, to which no socket is bound by that name here: "
[ "$(grep -c . child.err)" = 1 ] || fail "it says: $(cat child.err)"
[ -S listener.socket ] || fail "the file is gone"
rm listener.socket
run_child 20000 "$ref"
expect_status 125
expect_message "the file $work_dir/datagrams.socket is in the way"
[ ! -e listener.socket ] || fail "what was bound for no child is left"
rm datagrams.socket
while read -r options; do
	doing=$options
	# shellcheck disable=SC2086
	run_child 20000 $options --strict "$ref"
	expect_status 0
	[ "$(tail -n 1 child.out)" = "ok unix-sockets" ] || fail "$(cat child.out)"
	expect_silence
done < <(all_modes)
