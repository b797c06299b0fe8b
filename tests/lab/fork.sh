#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# The first remote fork between two machines: a parent counts on node1, its child goes on on node2,
# with the memory that node1 sends it, while the parent counts on.

# shellcheck disable=SC2317 # await calls functions
# shellcheck source-path=SCRIPTDIR source=lab.sh
. "$(dirname "$0")/lab.sh"

lab_up --no-rdma -n 2

"$tool" exec node1 -- "$parent_tool" --interval 100ms --after 3 --wss 4M --listen 10.77.0.1 \
	>parent.out 2>parent.err </dev/null &
parent=$!
pids+=("$parent")
await 60000 has_line parent.out '^mitosis://'
ref=$(grep -m 1 '^mitosis://' parent.out)

"$tool" exec node2 -- "$child_tool" "$ref" >child.out 2>child.err </dev/null &
child=$!
pids+=("$child")
counted() { [ "$(grep -c '^tick ' "$1.out")" -ge "$2" ]; }
await 60000 counted child 10
await 60000 counted parent 10

[ "$(grep -m 1 '^tick ' child.out)" = 'tick 4' ] || fail "the child began with $(head -n 1 child.out)"
grep '^tick ' child.out | head -n 10 | cmp - <(seq -f 'tick %g' 4 13) || fail "the child miscounted"
kill -TERM "$child"
finish "$child" 20000
kill -TERM "$parent"
finish "$parent" 20000
[ "$status" = 143 ] || fail "the parent's status is $status"
expect 0 lab down
exit 0
