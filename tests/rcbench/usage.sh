#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# mitosis-rcbench without a lab: bad words are refused by name, and a host without RDMA is told what to do.

# shellcheck source-path=SCRIPTDIR source=rcbench.sh
. "$(dirname "$0")/rcbench.sh"

# refuse PATTERN WORD...
refuse() {
	local pattern=$1
	shift
	expect 2 "$rcbench" "$@"
	said err "$pattern"
	[ ! -s out ] || fail "wrong usage, and yet output: $*"
}
refuse 'which server'
refuse 'node1: a server has no server' --server node1
refuse '^mitosis-rcbench: --once: goes with --server only$' --once node1
refuse '^mitosis-rcbench: --listen: goes with --server only$' --listen ::1 node1
refuse '^mitosis-rcbench: --threads: ' --threads 0 node1
refuse '^mitosis-rcbench: --threads: ' --threads 1,x node1
refuse '^mitosis-rcbench: --depth: ' --depth 0 node1
refuse '^mitosis-rcbench: --mode: parallel: not known' --mode parallel node1
refuse '^mitosis-rcbench: --op: atomic: not known' --op atomic node1
refuse '^mitosis-rcbench: --space: ' --space inner node1
refuse '^mitosis-rcbench: --space: .*connect' --space kernel --op read node1
refuse '^mitosis-rcbench: --depth: 2000' --space kernel --depth 2000 node1
refuse '^mitosis-rcbench: --size: 3000000' --op read --size 3000000 node1
refuse '^mitosis-rcbench: --outstanding: ' --op read --outstanding 5000 node1
refuse '^mitosis-rcbench: --count: ' --count 0 node1
refuse '^mitosis-rcbench: --duration: ' --duration 0 node1
refuse '^mitosis-rcbench: --rate: ' --rate 0 node1
refuse '^mitosis-rcbench: --interval: ' --interval 1us node1
refuse '^mitosis-rcbench: --timeout: ' --timeout 1us node1
refuse '^mitosis-rcbench: --timeout: ' --server --timeout 1us
refuse '^mitosis-rcbench: --max-failures: ' --max-failures few node1
refuse '^mitosis-rcbench: --port: ' --port 65536 node1
refuse '^mitosis-rcbench: --mode: does not go with --reuse' --reuse --mode serial node1
refuse '^mitosis-rcbench: --reuse: goes with --op connect only$' --reuse --op read node1
for word in --mode=serial --depth=1 --reuse --verify --op=connect --size=1 --outstanding=1 --space=user \
	--device=rxe0 --count=1 --duration=1s --rate=1 --interval=1s --wait=1s --max-failures=1; do
	refuse "^mitosis-rcbench: ${word%%=*}: does not go with --server\$" --server "$word"
done

if [ -z "$(ls /sys/class/infiniband 2>/dev/null)" ]; then
	for words in node1 --server; do
		expect 77 "$rcbench" "$words"
		said err 'rdma link add'
		said err 'mitosis-lab run'
		[ ! -s out ] || fail "output without a device"
	done
fi
exit 0
