#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# Remote fork over soft-RoCE: a counter and CPython go on at the other node, and all is put back.

# shellcheck source-path=SCRIPTDIR source=kernel.sh
. "$(dirname "$0")/kernel.sh"

need_kernels
child() { lab exec --timeout 60 node2 "cd '$build_dir' && bin/mitosis-child $* '$ref'"; }

for version in "${versions[@]}"; do
	doing=$version
	build_module "$version"
	lab_up -n 2 --kernel "$version"
	load_module timeout_ms=$((5000 * patience))

	doing="$version, a counter"
	remote_parent "$bin_dir/mitosis-parent" --wss 8M --count 30 --interval 200ms --listen 10.77.0.1
	expect 0 child --no-push
	said out '^tick 30$'
	! grep -q '^tick 1$' out || fail "it began anew"
	read_counters
	[ "$(counter node2 read_pages)" -gt 0 ] || fail "no page came by RDMA"
	finish "$parent" 60000

	doing="$version, eager"
	remote_parent "$bin_dir/mitosis-parent" --wss 8M --count 30 --interval 200ms --listen 10.77.0.1
	expect 0 child --mode eager
	said out '^tick 30$'
	finish "$parent" 60000

	doing="$version, CPython"
	remote_parent "$bin_dir/mitosis-parent" --on USR1 --listen 10.77.0.1 -- "$python" -c '
import os, signal, sys, json, time
table = {n: str(n) * 3 for n in range(50000)}
os.kill(os.getppid(), signal.SIGUSR1)
home = os.uname().nodename
while os.uname().nodename == home:
    time.sleep(0.02)
import decimal, threading
got = []
t = threading.Thread(target=lambda: got.append(sum(len(v) for v in table.values())))
t.start(); t.join()
pid = os.fork()
if pid == 0:
    os._exit(0 if table[49999] == "499994999949999" else 1)
assert os.waitpid(pid, 0)[1] == 0
print("sum", got[0], flush=True)
time.sleep(20)'
	expect 0 lab exec --timeout 60 node2 "cd '$build_dir' && timeout 60 bin/mitosis-child '$ref' | head -n 1"
	said out '^sum '
	kill -KILL "$parent" 2>/dev/null
	finish "$parent" 10000

	doing="$version, put back"
	await 30000 settled
	unload_module
	expect 0 lab down
done
exit 0
