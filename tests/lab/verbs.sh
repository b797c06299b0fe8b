#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# Two nodes with soft-RoCE: the tools of rdma-core and perftest between them, and trouble on the wire.

# shellcheck disable=SC2317 # await calls functions
# shellcheck source-path=SCRIPTDIR source=lab.sh
. "$(dirname "$0")/lab.sh"

for each in rping ib_read_lat ib_read_bw cmtime ibv_devinfo; do
	need_command $each
done
lab_up -n 2

expect 0 lab exec all -- ibv_devinfo
[ "$(grep -c 'PORT_ACTIVE' out)" = 2 ] || fail "ports: $(cat out)"
[ "$(grep -c 'active_mtu:.*4096' out)" = 2 ] || fail "MTU: $(cat out)"

# between SERVER CLIENT: run them on node1 and node2; the client is tried until the server listens
between() {
	doing=$1
	"$tool" exec --timeout 60 node1 "$1" >server.out 2>server.err &
	server=$!
	pids+=("$server")
	expect 0 lab exec --timeout 60 node2 "until $2; do ! [ -e /proc/gone ] || exit; done"
}
between 'rping -s -a node1 -C 10' 'rping -c -a node1 -C 10 -v'
finish "$server" 30000
said out 'ping data: rdma-ping-9'
between 'ib_read_lat -s 4096 -n 200' 'ib_read_lat -s 4096 -n 200 node1'
finish "$server" 30000
said out '^ *4096 *200 '
between 'ib_read_bw -s 65536 -n 200' 'ib_read_bw -s 65536 -n 200 node1'
finish "$server" 30000
said out '^ *65536 *200 '
# its server never ends
between 'exec cmtime -b node1 -c 50' 'cmtime -s node1 -c 50'
said out connect
kill -TERM "$server"
finish "$server" 30000

doing="userfaultfd"
expect 0 lab exec node1 'grep -w uffd.*userfaultfd /proc/kallsyms | head -n 1; test -e /proc/sys/vm/unprivileged_userfaultfd'

doing="link"
carrier() { [ "$(lab exec node2 'cat /sys/class/net/eth0/carrier' </dev/null)" = "$1" ]; }
expect 0 lab link node2 down
await 10000 carrier 0
expect 0 lab link node2 up
await 10000 carrier 1
expect 0 lab link node1 loss=1%,delay=2ms
expect 0 lab exec node1 -- tc qdisc show dev eth0
said out 'netem.*delay 2ms loss 1%'
expect 0 lab link node1 up
expect 0 lab exec node1 -- tc qdisc show dev eth0
! grep -q netem out || fail "the wire is not well again"

expect 0 lab down
exit 0
