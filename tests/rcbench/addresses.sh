#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# mitosis-rcbench by a name that stands for several addresses: the one where a server listens is found, and if there
# is none the reason that says most is told, with its address.

# shellcheck source-path=SCRIPTDIR source=rcbench.sh
. "$(dirname "$0")/rcbench.sh"

lab_up -n 2
nodes="node1 node2"
remember_resources
start_server --listen 10.77.0.1
# The resolver puts a host's own address first.
expect 0 lab exec --timeout 60 node2 'printf "%s\n" "10.77.0.2 several nobody" "10.77.0.1 several" >>/etc/hosts'
expect 0 lab exec --timeout 60 node2 'getent ahosts several'
[ "$(head -n 1 out | cut -d ' ' -f 1)" = 10.77.0.2 ] || broken "the order of addresses is another: $(cat out)"

doing="the second of two"
expect 0 lab exec --timeout 200 node2 -- "$rcbench" several --count 5
is 5 out server=several device=rxe0 outcome=ok
expect 0 lab exec --timeout 200 node2 -- "$rcbench" several --count 5 --device rxe0 --verify
is 5 out server=several outcome=ok

doing="no server"
expect 1 lab exec --timeout 200 node2 -- "$rcbench" nobody --count 5
said err '^mitosis-rcbench: nobody: connection refused'
stop_server
expect 1 lab exec --timeout 200 node2 -- "$rcbench" several --count 5
said err '^mitosis-rcbench: several: 10.77.0.1: connection refused.* (2 addresses tried)$'
# 192.0.2.9 is on no network of theirs.
expect 0 lab exec --timeout 60 node2 'echo "192.0.2.9 nobody" >>/etc/hosts'
expect 1 lab exec --timeout 200 node2 -- "$rcbench" nobody --count 5
said err '^mitosis-rcbench: nobody: 10.77.0.2: connection refused.* (2 addresses tried)$'
expect 1 lab exec --timeout 200 node1 -- "$rcbench" --server --listen 192.0.2.9
said err '^mitosis-rcbench: 192.0.2.9 port 7472: cannot listen: Cannot assign requested address$'

doing="waiting for one"
"$tool" exec --timeout 200 node2 -- "$rcbench" several --count 5 --wait 100s >wait.out 2>wait.err </dev/null &
waiting=$!
pids+=("$waiting")
start_server --listen 10.77.0.1
finish "$waiting" 100000
[ "$status" = 0 ] || fail "status $status: $(cat wait.err)"
is 5 wait.out outcome=ok
stop_server

doing="all addresses, those of IPv6, too"
for number in 1 2; do
	expect 0 lab exec --timeout 60 node$number "ip -6 address add fd77::$number/64 dev eth0 nodad"
done
# Whatever the host wants of sockets of IPv6.
expect 0 lab exec --timeout 60 node1 'sysctl -qw net.ipv6.bindv6only=1'
start_server
for address in 10.77.0.1 '[fd77::1]'; do
	expect 0 lab exec --timeout 200 node2 -- "$rcbench" "$address" --count 5
	is 5 out outcome=ok
done
doing="another server has the port"
expect 1 lab exec --timeout 200 node1 -- "$rcbench" --server
said err '^mitosis-rcbench: :: port 7472: cannot listen: Address already in use: by another server? (--port takes another one)$'
stop_server
for number in 1 2; do
	expect 0 lab exec --timeout 60 node$number "ip -6 address del fd77::$number/64 dev eth0"
done
same_resources || fail "something is left"
exit 0
