#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# Every kernel that this host has boots with verbs, also two different ones, also over the hub.

# shellcheck source-path=SCRIPTDIR source=lab.sh
. "$(dirname "$0")/lab.sh"

mapfile -t versions < <(lab kernels 2>/dev/null | awk -F '\t' '$2 == "yes" { print $1 }')
[ "${#versions[@]}" != 0 ] || skip "no kernel with rdma_rxe: $(lab kernels 2>&1 | tail -n 1)"

# Each version once, next to the one before it: a lab of mixed kernels in every round.
previous=${versions[-1]}
for version in "${versions[@]}"; do
	doing=$version
	expect 0 lab run --net hub --timeout 120s --kernel "$version" --kernel node2="$previous" \
		node1:'uname -r; rping -s -a node1 -C 3' \
		node2:'uname -r; until rping -c -a node1 -C 3 -v; do :; done'
	said out "^node1: $version"
	said out "^node2: $previous"
	said out 'rdma-ping-2'
	previous=$version
done
exit 0
