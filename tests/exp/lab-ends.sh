#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# How runs in a lab end: by failures, limits and signals, in a lab of their own, which ends with them, and in
# one that was up before, which stays.
# shellcheck disable=SC2317 # await calls functions
# shellcheck source-path=SCRIPTDIR source=exp.sh
. "$(dirname "$0")/exp.sh"
need_lab
lab=$bin_dir/mitosis-lab
node_pids() { "$lab" status --name "$1" | awk -F '\t' '$2 ~ /^node[0-9]/ { print $12 }'; }
has_node() { [ -n "$(node_pids "$1")" ]; }
# Processes that have a lab's name among their arguments; a longer number is another lab.
processes_of() { grep -lwF -f <(echo "$1") /proc/[0-9]*/cmdline 2>/dev/null; }
# Those of passes that run in a lab's node.
in_node() { "$lab" exec --name "$1" node1 'grep -lzxE "87660[0-9]" /proc/[0-9]*/cmdline 2>/dev/null; :'; }
nobody_of() { [ -z "$(processes_of "$1")" ]; }

printf '[[pass]]\nhost = "node1"\ncmd = "echo some word >&2; uname -n; exit 3"\n' >fails.toml
sed 's/; exit 3//' fails.toml >works.toml
printf '[[pass]]\nhost = "node1"\ncmd = "exec sleep 876601"\ntimeout = "2s"\n' >late.toml
cat >long.toml <<'END_OF_FILE'
[[pass]]
name = "server"
host = "node1"
cmd = "echo serves; exec sleep 876602"
ready = { line = "serves" }
background = true
[[pass]]
host = "node1"
order = 1
cmd = "echo begun; exec sleep 876603"
END_OF_FILE

# interrupted DIRECTORY OPTION...: the three files one after the other, and SIGINT in the last one's second pass
interrupted() {
	local directory=$1
	shift
	background int.out int.err env --default-signal=INT "$tool" run -k -v -o "$directory" -L lab "$@" fails.toml late.toml long.toml
	runner=$!
	pids+=("$runner")
	await 300000 begun_or_ended
	has_line int.err '^@node1 begun' || {
		finish "$runner" 1000
		[ "$status" != 77 ] || skip "$(tail -n 1 int.err)"
		fail "status $status"
	}
	name=${1:+exp.$runner}
	name=${name:-$MITOSIS_LAB_NAME}
	mapfile -t nodes < <(node_pids "$name")
	[ -n "${nodes[*]}" ] && ! nobody_of "$name" || fail "there is no lab $name: $("$lab" status)"
	[ "$(in_node "$name" | wc -l)" = 2 ] || fail "both passes should run in the node"
	kill -INT "$runner"
	finish "$runner" 120000
	[ "$status" = 130 ] || fail "status $status after SIGINT"
	said int.err 'fails: pass1 on node1: exit status 3: echo some word'
	said int.err '^  node1| some word'
	said int.err 'late: pass1 on node1: still running after 2 s: exec sleep 876601'
	said int.err "interrupted; to continue: mitosis-exp run --resume $directory"
	said int.err 'ended by SIGINT'
}
begun_or_ended() { has_line int.err '^@node1 begun' || gone "$runner"; }

doing="a lab of its own"
interrupted own --lab 1 --lab-option=--no-rdma
for pid in "${nodes[@]}"; do
	gone "$pid" || fail "a node is left: $(tr '\0' ' ' <"/proc/$pid/cmdline")"
done
nobody_of "$name" || fail "left: $(processes_of "$name")"
! "$lab" status | grep -q "^$name	" || fail "the lab is left"

doing="a lab that boots"
background boot.out boot.err env --default-signal=INT "$tool" run -o boot --lab 1 --lab-option=--no-rdma works.toml
runner=$!
pids+=("$runner")
await 60000 has_node "exp.$runner"
kill -INT "$runner"
finish "$runner" 60000
[ "$status" = 130 ] && said boot.err 'ended by SIGINT' || fail "status $status after SIGINT"
nobody_of "exp.$runner" || fail "left: $(processes_of "exp.$runner")"

doing="a lab that is up"
export MITOSIS_LAB_NAME=test.$test_name.$$
lab_down() { "$lab" down >down.err 2>&1; }
expect 1 "$tool" run -o none -L lab fails.toml
said err '^mitosis-exp: --launcher lab: no lab is up'
[ "$(wc -l <err)" = 1 ] || fail "more than that: $(cat err)"
cleanups+=(lab_down)
expect 0 "$lab" up --boot-timeout 500s -n 1 --no-rdma
mapfile -t before < <(node_pids "$MITOSIS_LAB_NAME")
run 0 -L lab works.toml
[ "$(<dir/works/raw/0001/pass1.node1.out)" = node1 ] || fail "$(cat dir/works/raw/0001/*)"
sed 's/node1/node2/' fails.toml >other.toml
run 1 -L lab other.toml
said err '^mitosis-exp: node2: no node of this lab (it has: node1)'
interrupted up
[ "${nodes[*]}" = "${before[*]}" ] || fail "it is another lab"
for pid in "${nodes[@]}"; do
	alive "$pid" || fail "the lab does not stay up"
done
[ -z "$(in_node "$name")" ] || fail "left in the node: $(in_node "$name")"
expect 0 "$lab" down
cleanups=()
exit 0
