#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# scopes.sh - a link-local address belongs to an interface, which has another number on each host: a child's socket is
# bound and connected where one of that name is, and nowhere else.
. "$(dirname "$0")/../lib.sh"
need_root
need_python
need_command ip
need_namespaces -n

# Two hosts, each with an interface "inner" and a link to the other; the second one has one more before.
host() {
	unshare -n sleep 1000 &
	host=$!
	pids+=("$host")
	await 5000 is_apart "$host"
	on "$host" ip link set lo up
}
is_apart() { [ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ]; }
on() {
	local where=$1
	shift
	nsenter -n -t "$where" "$@"
}
host
first=$host
host
second=$host
on "$second" ip link add before type bridge 2>err || skip "no bridge can be made here: $(<err)"
on "$first" ip link add link0 type veth peer name link0 netns "$second" 2>err || skip "no veth can be made here: $(<err)"
for where in "$first" "$second"; do
	own=1
	[ "$where" = "$first" ] || own=2
	on "$where" ip link add inner type bridge || broken "ip link add"
	on "$where" ip link set inner up || broken "ip link set"
	on "$where" ip link set link0 up || broken "ip link set"
	on "$where" ip address add "192.0.2.$own/24" dev link0 || broken "ip address add"
	on "$where" ip -6 address add fe80::77/64 dev inner nodad 2>err || skip "no IPv6 here: $(<err)"
done

cat >parent.py <<'END'
import os, socket, sys, mitosis
at = socket.if_nametoindex("inner")
listener = socket.socket(socket.AF_INET6)
listener.bind(("fe80::77", 0, 0, at))
listener.listen(3)
port = listener.getsockname()[1]
sender = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
sender.connect(("fe80::78", 9, 0, at))
lone = socket.socket(socket.AF_INET6)
lone.setsockopt(socket.IPPROTO_IP, 24, 1)               # IP_BIND_ADDRESS_NO_PORT
lone.bind(("fe80::77", 0, 0, at))
snapshot = mitosis.prepare(listen="192.0.2.1")
if snapshot is None:
    here = socket.if_nametoindex("inner")
    assert here != at, here
    assert listener.getsockname() == ("fe80::77", port, 0, here), listener.getsockname()
    assert sender.getpeername() == ("fe80::78", 9, 0, here), sender.getpeername()
    assert lone.getsockname() == ("fe80::77", 0, 0, here), lone.getsockname()
    os.write(1, b"all there\n")
    os._exit(0)
print(snapshot.reference, flush=True)
sys.stdin.read()
END
export PYTHONPATH=$tests_dir/../share/mitosis-exp/python PYTHONDONTWRITEBYTECODE=1
start_parent nsenter -n -t "$first" "$python" parent.py
resumed() {
	background child.out child.err nsenter -n -t "$second" "$child_tool" --mode eager "$ref"
	child=$!
	pids+=("$child")
	finish "$child" 20000
}
doing="an interface with another number"
resumed
expect_status 0
expect_output "all there"
no_line child.err 'descriptor' || fail "something is lost"

doing="no such interface"
on "$second" ip link set inner down
on "$second" ip link set inner name other
on "$second" ip link set other up
resumed
expect_status 125
expect_message "there is no interface inner here, and TCP port"
