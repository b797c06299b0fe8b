#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# mitosis-rcbench where things go wrong: clients that do not belong, vanish at each step or lose their power, a server
# that is full or dies, a wire that is cut. Each is counted by its reason, the server goes on for others, and nothing
# is left. Also several clients at once, and several devices at once.

# shellcheck disable=SC2317 # await calls functions
# shellcheck source-path=SCRIPTDIR source=rcbench.sh
. "$(dirname "$0")/rcbench.sh"

lab_up -n 3
nodes="node1 node2"
remember_resources
start_server --timeout 3s --threads 2
port=7472

# queue_pairs N: the server has so many, its clients' control connections included
queue_pairs() { [ "$(lab exec --timeout 60 node1 'rdma resource show qp | grep -c RC' </dev/null)" = "$1" ]; }
# served FIELD CONDITION...: of the server's records
served() { column server.out "$@"; }
records() { [ "$(served client | grep -c .)" = "$1" ]; }

doing="private data"
for mode in empty garbage version length kind flags tail; do
	expect 0 lab exec --timeout 60 node2 -- "$peer" 10.77.0.1 $port $mode
	said out '^rejected 1$'
done
expect 0 lab exec --timeout 60 node2 -- "$peer" 10.77.0.1 $port run
said out '^rejected 2$'

# start_peer NODE MODE N: in the background, until it is ready
start_peer() {
	: >peer.out
	: >peer.err
	"$tool" exec --timeout $((200 * patience)) "$1" -- "$peer" 10.77.0.1 $port "$2" "$3" >peer.out 2>peer.err </dev/null &
	peer_pid=$!
	pids+=("$peer_pid")
	await 60000 grep -q '^ready' peer.out
}

doing="half-open connections, until the time is over"
start_peer node2 half 3
await 30000 queue_pairs 1
expect 0 lab exec --timeout 60 node2 'kill -KILL $(pidof peer)'
finish "$peer_pid" 30000
await 30000 records 1
[ "$(served half_open_count ended=vanished)" = 3 ] || fail "$(cat server.out)"

doing="a client that ends without a word"
start_peer node2 leave 3
finish "$peer_pid" 30000
await 30000 records 2
[ "$(served disconnected_count ended=vanished established_count=3)" = 3 ] || fail "$(cat server.out)"

doing="a client that is killed while it measures"
"$tool" exec --timeout $((200 * patience)) node2 -- "$rcbench" node1 --depth 8 --duration 100s >/dev/null 2>&1 </dev/null &
client_pid=$!
pids+=("$client_pid")
await 30000 eval '! queue_pairs 0 && ! queue_pairs 1'
expect 0 lab exec --timeout 60 node2 'kill -KILL $(pidof mitosis-rcbench)'
finish "$client_pid" 30000
await 60000 records 3
await 30000 queue_pairs 0

doing="two clients at once"
for node in node2 node3; do
	"$tool" exec --timeout $((200 * patience)) $node -- "$rcbench" node1 --depth 8 --threads 2 --count 60 --verify >$node.out 2>$node.err </dev/null &
	pids+=("$!")
	eval "$node=$!"
done
# shellcheck disable=SC2154 # set above
for node in $node2 $node3; do
	finish "$node" 120000
	[ "$status" = 0 ] || fail "status $status"
done
is 60 node2.out outcome=ok
is 60 node3.out outcome=ok
await 30000 records 5
for address in 10.77.0.2 10.77.0.3; do
	[ "$(served messages_count client=$address ended=done)" = 60 ] || fail "$address: $(cat server.out)"
done

doing="a client without power"
start_peer node3 hold 4
await 30000 queue_pairs 5
expect 0 lab kill node3
await 90000 queue_pairs 0
await 30000 records 6
[ "$(served lost_count client=10.77.0.3 ended=vanished)" = 4 ] || fail "$(cat server.out)"
finish "$peer_pid" 30000

doing="the wire is cut"
"$tool" exec --timeout $((200 * patience)) node2 -- "$rcbench" node1 --duration 100s --timeout 2s --max-failures 2 >cut.out 2>cut.err </dev/null &
client_pid=$!
pids+=("$client_pid")
await 30000 eval '! queue_pairs 0 && ! queue_pairs 1'
expect 0 lab link node1 loss=100%
finish "$client_pid" 90000
[ "$status" = 1 ] || fail "status $status: $(cat cut.err)"
said cut.err '^mitosis-rcbench: node1: 3 failed: [0-9]* \(timeout\|unreachable\)'
[ "$(count cut.out outcome=timeout)" = 3 ] || [ "$(count cut.out outcome=unreachable)" -gt 0 ] || fail "$(tail -n 4 cut.out)"
expect 0 lab link node1 up
await 90000 records 7

doing="an orderly client afterwards"
# The connection managers repeat what was lost only after seconds.
orderly() { lab exec --timeout 60 node2 -- "$rcbench" node1 --timeout 30s --count 20 >orderly.out 2>orderly.err </dev/null; }
await 90000 orderly
is 20 orderly.out outcome=ok

doing="the server's own end"
stop_server
# The seven that were not of the protocol, and the one of no run. What the client's connection manager repeated after
# the cut is of no run either, if it came after the client: at most its three.
refused=$(served refused_count client=-)
((refused >= 8 && refused <= 11)) || fail "$(cat server.out)"

doing="no server"
expect 1 lab exec --timeout 60 node2 -- "$rcbench" node1
said err '^mitosis-rcbench: node1: connection refused: is mitosis-rcbench --server running there?$'
expect 1 lab exec --timeout 60 node2 -- "$rcbench" --timeout 1s 10.77.0.200
said err '^mitosis-rcbench: 10.77.0.200: '
expect 1 lab exec --timeout 60 node2 -- "$rcbench" --device rxe7 node1
said err '^mitosis-rcbench: rxe7: there is no such RDMA device'

doing="a full server"
start_server --max-connections 5
expect 0 lab exec --timeout 60 node2 -- "$rcbench" node1 --depth 16 --count 60 --max-failures 1000
busy=$(count out outcome=busy)
((busy > 0)) || fail "no connection was too many"
is $((60 - busy)) out outcome=ok
said err "warning: $busy failed: $busy busy"
[ "$(served busy_count client=10.77.0.2)" = "$busy" ] || fail "the client counts $busy: $(cat server.out)"
expect 1 lab exec --timeout 60 node2 -- "$rcbench" node1 --depth 16 --count 60
said err '^mitosis-rcbench: node1: .* failed: .* busy'

doing="a server that dies"
"$tool" exec --timeout $((200 * patience)) node2 -- "$rcbench" node1 --duration 100s --max-failures 4 >dead.out 2>dead.err </dev/null &
client_pid=$!
pids+=("$client_pid")
await 30000 eval '! queue_pairs 0 && ! queue_pairs 1'
expect 0 lab exec --timeout 60 node1 'kill -KILL $(pidof mitosis-rcbench)'
finish "$client_pid" 90000
[ "$status" = 1 ] || fail "status $status: $(cat dead.err)"
said dead.err '^mitosis-rcbench: node1: 5 failed: [0-9]* \(refused\|rejected\|disconnected\|unreachable\)'
finish "$server" 30000

doing="two devices and two addresses at once"
# A tunnel is a network interface of its own, and no upper one of eth0, whose device would take its address, too.
for node in 1 2; do
	expect 0 lab exec --timeout 60 node$node "modprobe vxlan && ip link add eth1 mtu 8000 type vxlan id 5 \
		local 10.77.0.$node remote 10.77.0.$((3 - node)) dstport 4789 && ip link set eth1 up &&
		ip address add 10.78.0.$node/24 dev eth1 && rdma link add rxe1 type rxe netdev eth1"
done
start_server --once
expect 0 lab exec --timeout 120 node2 -- "$rcbench" node1+10.78.0.1 --device rxe0+rxe1 --threads 1,2 --count 20
is 20 out threads=1 device=rxe0 server=node1 devices=rxe0+rxe1 outcome=ok
# Two threads take the 20 between them as they come.
is 20 out threads=2 devices=rxe0+rxe1 servers=node1+10.78.0.1 outcome=ok
second=$(count out threads=2 thread=1 device=rxe1 server=10.78.0.1 outcome=ok)
((second > 0 && second < 20)) || fail "the second thread made $second of 20: $(cat out)"
is $((20 - second)) out threads=2 thread=0 device=rxe0 server=node1 outcome=ok
finish "$server" 60000
[ "$status" = 0 ] || fail "the server's status is $status: $(cat server.err)"
[ "$(served established_count)" = 40 ] || fail "$(cat server.out)"
for node in 1 2; do
	expect 0 lab exec --timeout 60 node$node 'rdma link del rxe1; ip link del eth1'
done
await 30000 same_resources
status=0
lab down >down.out 2>down.err || status=$?
# One of its nodes was killed.
[ "$status" = 0 ] || ! grep -q 'node[12]|' down.err || fail "mitosis-lab down: $(cat down.err)"
exit 0
