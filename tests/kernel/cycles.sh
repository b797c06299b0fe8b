#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# Prepare on one node, resume on the other, release, 50 times, or as often as MITOSIS_CYCLES says:
# neither the module's counters nor the kernels' memory show that anything was left.

# shellcheck disable=SC2317 # await calls functions
# shellcheck source-path=SCRIPTDIR source=kernel.sh
. "$(dirname "$0")/kernel.sh"

need_kernels
need_python
cycles=${MITOSIS_CYCLES:-50}

# node2: a child for each reference that comes over the network, its status goes back
cat >there.py <<'END2'
import socket, subprocess, sys
server = socket.create_server(("10.77.0.2", 7000))
print("ready", flush=True)
while True:
    client, _ = server.accept()
    with client, client.makefile("rw") as stream:
        ref = stream.readline().strip()
        print(subprocess.run([sys.argv[1], ref], stdin=subprocess.DEVNULL).returncode, file=stream, flush=True)
END2
# node1: what the parent takes for mitosis-child
cat >there <<'END2'
#!/bin/bash
exec 3<>/dev/tcp/10.77.0.2/7000 && echo "$1" >&3 && read -r status <&3 && exit "$status"
END2
chmod +x there

# Objects of each slab cache but for those of file systems and processes, which come and go with what
# else the node does; per-processor lists emptied, so that the numbers are exact. And what is in none, vmalloc()'s
# pages too; its areas are no measure, since the kernel frees them when 32 MiB of them have come together.
cat >memory.sh <<'END2'
sync
for i in 1 2; do
	echo 3 >/proc/sys/vm/drop_caches
	for file in /sys/kernel/slab/*/shrink; do
		echo 1 >"$file" 2>/dev/null
	done
done
awk '/^(kmalloc|mitosis|rxe|pool_workqueue|filp|skbuff|sock_inode)/ { print $1, $2 }' /proc/slabinfo
# Free pages that a processor keeps for itself are no free memory; a huge one is among them now and then.
kept=$(awk '$1 == "count:" { n += $2 } END { print n + 0 }' /proc/zoneinfo)
awk -v kept="$kept" '{ kib[$1] = $2 } END {
	held = kib["Buffers:"] + kib["Cached:"] + kib["AnonPages:"] + kib["Slab:"]
	print "pages", (kib["MemTotal:"] - kib["MemFree:"] - held) / 4 - kept
}' /proc/meminfo
END2

measure() {
	local node
	for node in $nodes; do
		expect 0 lab exec --timeout 60 "$node" "sh '$work_dir/memory.sh'"
		cp out "$1.$node"
	done
}

run_cycles() {
	expect 0 lab exec --timeout 1500 --env MITOSIS_TEST_LISTEN=10.77.0.1 --env MITOSIS_CYCLES="$1" \
		--env MITOSIS_TEST_CHILD="$work_dir/there" node1 "'$build_dir/tests/user/cycles' >&2"
}

# A leak in each cycle shows as so many more objects or pages. Other activity is less than that; what waits for a
# grace period, or for the end of a connection's time, goes by itself, which is awaited.
nothing_grew() {
	local node
	measure after
	for node in $nodes; do
		awk -v limit=$((cycles / 2 > 300 ? cycles / 2 : 300)) '
			NR == FNR { before[$1] = $2; next }
			{ print $1, before[$1], $2 }
			$2 > before[$1] + limit { bad = 1 }
			END { exit bad }' "before.$node" "after.$node" >"growth.$node.err" || return
	done
}
tell_growth() {
	local node
	for node in $nodes; do
		awk -v node="$node" -v kernel="$version" '$3 - $2 > 50 || $1 == "pages" {
			print kernel, node, $1, $2, "->", $3 }' "growth.$node.err" >&2
	done
}

for version in "${versions[@]}"; do
	build_module "$version"
	doing=$version
	lab_up -n 2 --kernel "$version"
	load_module timeout_ms=$((10000 * patience)) idle_ms=1000
	background there.out there.err "$tool" exec --timeout $((1800 * patience)) node2 -- "$python" "$work_dir/there.py" "$child_tool"
	pids+=("$!")
	await 30000 has_line there.out '^ready'
	doing="$version, first cycles"
	run_cycles 20
	await 30000 settled
	measure before
	doing="$version, $cycles cycles"
	begin=$(now_ms)
	run_cycles "$cycles"
	echo "$version: $cycles cycles in $(($(now_ms) - begin)) ms" >&2
	await 30000 settled
	read_counters
	[ "$(counter node1 snapshots_made)" = $((cycles + 20)) ] || fail "$(counter node1 snapshots_made) snapshots"
	[ "$(counter node2 remotes_made)" = $((cycles + 20)) ] || fail "$(counter node2 remotes_made) remotes"
	doing="$version, something leaks"
	await 120000 nothing_grew
	tell_growth
	unload_module
	expect 0 lab down
done
exit 0
