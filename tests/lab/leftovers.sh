#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# Two labs side by side; and nothing is left of a lab whose tool was interrupted or killed.

# shellcheck disable=SC2317 # await calls functions
# shellcheck source-path=SCRIPTDIR source=lab.sh
. "$(dirname "$0")/lab.sh"

lab_up --no-rdma
mapfile -t first < <(node_pids)

namespaces() { readlink "/proc/$1/ns/net"; }
has_node() { [ -n "$(node_pids "$1" 2>/dev/null)" ]; }

# start NAME: a second lab, by `run`, with a command that goes on; pids of tool and node
start() {
	name=$1
	"$tool" run --name "$name" --no-rdma node1:'echo here; exec tail -f /dev/null' >run.out 2>run.err &
	run=$!
	pids+=("$run")
	await "$boot" has_node "$name"
	mapfile -t second < <(node_pids "$name")
}

doing="two labs"
start "$MITOSIS_LAB_NAME.b"
await "$boot" has_line run.out here
expect 125 lab up --no-rdma
said err 'this lab is up already'
expect 0 lab exec node1 -- cat /proc/sys/kernel/random/boot_id
boot_id=$(cat out)
expect 0 lab exec --name "$name" node1 -- cat /proc/sys/kernel/random/boot_id
[ "$boot_id" != "$(cat out)" ] || fail "two labs, one node"
[ "$(namespaces "${first[0]}")" != "$(namespaces "${second[0]}")" ] || fail "one network for two"

doing="SIGKILL while a command runs"
kill -KILL "$run"
await 5000 nothing_left "$name" "${second[@]}"

doing="SIGKILL while it boots"
start "$MITOSIS_LAB_NAME.c"
kill -KILL "$run"
await 5000 nothing_left "$name" "${second[@]}"

doing="SIGINT while it boots"
start "$MITOSIS_LAB_NAME.d"
kill -INT "$run"
finish "$run" 10000
[ "$status" = 130 ] || fail "status $status"
await 5000 nothing_left "$name" "${second[@]}"

doing="SIGKILL of the keeper"
keeper=$(awk '{ print $4 }' "/proc/${first[0]}/stat")
kill -KILL "$keeper"
await 5000 nothing_left "$MITOSIS_LAB_NAME" "${first[@]}"
exit 0
