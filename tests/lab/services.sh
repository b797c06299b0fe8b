#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# Services that run unmodified, on a second machine: each is taken by its number on node1 while it answers, and its
# children answer on node2 at the same port, from the state of the instant. With engine kernel too, where the module
# compiles for a kernel that a lab can boot.

# shellcheck disable=SC2317 # await calls functions
# shellcheck source-path=SCRIPTDIR source=../kernel/kernel.sh
. "$(dirname "$0")/../kernel/kernel.sh"
need_python
client=$tests_dir/user/service.py

printf '%s\n' "bind 0.0.0.0" "protected-mode no" "daemonize no" 'save ""' >redis.conf

# on NODE COMMAND...: its output in out, a failure is the test's
on() {
	local node=$1
	shift
	expect 0 lab exec --timeout 100 "$node" -- "$@"
}

# serve KIND PORT COMMAND...: on node1, under load all the time
serve() {
	kind=$1
	service_port=$2
	shift 2
	: >service.out
	"$tool" exec --timeout $((300 * patience)) node1 -- sh -c 'echo "$$"; exec "$@"' sh "$@" >service.out 2>service.err </dev/null &
	service=$!
	pids+=("$service")
	on node1 "$python" "$client" first "$kind" "$service_port" 3
	: >load.out
	"$tool" exec --timeout $((300 * patience)) node1 -- "$python" "$client" load "$kind" "$service_port" >load.out 2>load.err </dev/null &
	load=$!
	pids+=("$load")
	under_load() { has_line load.out '^under load$' || gone "$load"; }
	await 60000 under_load
	has_line load.out '^under load$' || fail "the parent: $(cat load.err)"
}

# asked NODE N: the first of N consecutive answers at the port there, in $first
asked() {
	status=0
	lab exec --timeout 100 "$1" -- "$python" "$client" first "$kind" "$service_port" "$2" >out 2>err </dev/null || status=$?
	[ "$status" = 0 ] || fail "$1 does not answer: $(tail -n 1 err); its kernel: $(lab exec "$1" 'dmesg | tail -n 3' 2>&1)"
	first=$(<out)
}

# fork_to_node2 ENGINE CHILDREN
fork_to_node2() {
	local engine=$1 children=$2 number begun=
	doing="$kind, engine $engine"
	on node1 "$parent_tool" --engine "$engine" --listen 10.77.0.1 --pid "$(head -n 1 service.out)"
	ref=$(grep -m 1 -E '^mitosis(\+rdma)?://' out)
	for ((number = 1; number <= children; number++)); do
		"$tool" exec --timeout $((200 * patience)) node2 -- "$child_tool" "$ref" >child.out 2>child.err </dev/null &
		child=$!
		pids+=("$child")
		asked node2 10
		((first > 20)) || fail "a child counts from $first"
		# All begin where their parent was, whatever that has answered meanwhile, and the other children.
		[ "${begun:=$first}" = "$first" ] || fail "one child begins with $begun, another one with $first"
		kill "$child"
		finish "$child" 60000
	done
	alive "$load" || fail "the parent: $(cat load.err)"
}

engines=user
versions=()
while read -r version; do
	! lab kernels 2>/dev/null | cut -f 1 | grep -qx "$version" || versions+=("$version")
done < <(kernels_with_headers)
if [ ${#versions[@]} != 0 ]; then
	engines="user kernel"
	build_module "${versions[-1]}"
	lab_up -n 2 --kernel "${versions[-1]}"
	load_module timeout_ms=$((5000 * patience)) idle_ms=200
else
	lab_up --no-rdma -n 2
fi

children=2
while read -r kind port command; do
	command -v "${command%% *}" >/dev/null || {
		echo "not tested: there is no ${command%% *}"
		continue
	}
	doing=$kind
	# shellcheck disable=SC2086
	serve "$kind" "$port" $command
	for engine in $engines; do
		fork_to_node2 "$engine" "$children"
	done
	doing="$kind, the parent"
	kill "$load"
	finish "$load" 30000
	asked node1 1
	kill "$service"
	finish "$service" 60000
	children=1
done <<-END
	http 8080 $python $tests_dir/user/loop.py 8080 0.0.0.0 thread
	redis 6379 redis-server $work_dir/redis.conf
END
doing="at the end"
if [ "$engines" != user ]; then
	await 30000 settled
	unload_module
fi
expect 0 lab down
