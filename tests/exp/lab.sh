#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# An experiment between two real kernels: children on one node of a parent on the other.
# shellcheck source-path=SCRIPTDIR source=exp.sh
. "$(dirname "$0")/exp.sh"
need_lab

status=0
timeout -k 10 300 "$tool" run -o dir --lab 2 --lab-option=--no-rdma --set wss=1M --set count=3 resume >out 2>err </dev/null || status=$?
[ "$status" != 77 ] || skip "$(head -n 1 err)"
[ "$status" = 0 ] || fail "status $status: $(cat err)"
[ "$(column out resume_ns | grep -c '^[1-9][0-9]*$')" = 3 ] || fail "$(cat out)"
[ "$(column out at | sort -u)" = node2 ] || fail "the children were at $(column out at | sort -u)"
said dir/resume/raw/0001/parent.node1.out '^mitosis://node1:[0-9]*/\*\*\*$'
"$python" - dir/resume/state.json <<'END' || fail "the hosts are not told: $(cat dir/resume/state.json)"
import json, sys
hosts = json.load(open(sys.argv[1]))["hosts"]
assert sorted(hosts) == ["node1", "node2"] and all(h["name"] == n for n, h in hosts.items())
END
"$bin_dir/mitosis-lab" status | grep -q '^exp\.' && fail "the lab is left"
exit 0
