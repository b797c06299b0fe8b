#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# net.sh - children in networks of their own: each serves the port that its parent goes on serving, and nobody outside
# reaches it; with and without its parent's numbers, as root and as another user; and where there can be none.
. "$(dirname "$0")/../lib.sh"
need_python
spaces=(-n)
enter=(-n)
if [ "$(id -u)" != 0 ]; then
	spaces=(-U "${spaces[@]}")
	enter=(-U --preserve-credentials -n)
fi
need_namespaces "${spaces[@]}"

cat >server.py <<'END'
"""Counts who comes; "hold ..." on a line of standard input makes it hold that many other sockets."""
import os, selectors, socket, sys, threading
listener = socket.create_server(("127.0.0.1", 0))
receiver = socket.socket(type=socket.SOCK_DGRAM)
receiver.bind(("127.0.0.1", 0))
abstract = socket.socket(socket.AF_UNIX)
abstract.bind("\0mitosis-net-%d" % os.getpid())
abstract.listen(1)
client = socket.create_connection(listener.getsockname())
accepted, _ = listener.accept()
pair = socket.socketpair()
netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
if "threads" in sys.argv:
    threading.Thread(target=threading.Event().wait, daemon=True).start()
many = selectors.DefaultSelector()
for s in (listener, receiver, abstract):
    many.register(s, selectors.EVENT_READ)
ports = listener.getsockname()[1], receiver.getsockname()[1]
print(*ports, flush=True)
count = 0
while True:
    for key, _ in many.select():
        count += 1
        where = {s.getsockopt(socket.SOL_SOCKET, 71, 8) for s in
                 (listener, receiver, abstract, client, accepted, *pair, netlink,
                  socket.socket(), socket.socket(socket.AF_UNIX))}    # SO_NETNS_COOKIE
        text = b"%d %d" % (count, len(where))
        if key.fileobj is receiver:
            receiver.sendto(text, receiver.recvfrom(100)[1])
        else:
            one, _ = key.fileobj.accept()
            one.sendall(text)
            one.close()
END
cat >ask.py <<'END'
import socket, sys
kind, to = sys.argv[1], sys.argv[2]
s = socket.socket(socket.AF_UNIX if kind == "unix" else socket.AF_INET,
                  socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
s.settimeout(5)
s.connect("\0" + to if kind == "unix" else ("127.0.0.1", int(to)))
if kind == "udp":
    s.send(b"?")
print(s.recv(100).decode())
END
# answers COUNT KIND TO: the parent
answers() { [ "$("$python" ask.py "$2" "$3" 2>ask.err)" = "$1 1" ]; }
# inside COUNT KIND TO: the child whose number is $real
inside() { [ "$(nsenter -t "$real" "${enter[@]}" "$python" ask.py "$2" "$3" 2>ask.err)" = "$1 1" ]; }
network() { readlink "/proc/$1/ns/net"; }
# start_inside NAME [OPTION]...: a child, its pid here in $real
start_inside() {
	local name=$1
	shift
	background "$name.out" "$name.err" "${as[@]}" "$child_tool" --net new "$@" "$ref"
	child=$!
	pids+=("$child")
	await 10000 is_inside
}
is_left() {
	local link
	for link in /proc/[0-9]*/ns/net; do
		[ "$(readlink "$link" 2>/dev/null)" != "$1" ] || return 0
	done
	return 1
}
# Not who makes it, which is there for a moment.
is_inside() {
	local program
	real=$(real_child "$child") && [ "$(network "$real")" != "$(network self)" ] &&
		program=$(readlink "/proc/$real/exe") && [ "$program" != "$(readlink -f "$child_tool")" ]
}
take() {
	forget_parent
	launch_parent /dev/null "${as[@]}" "$python" "$work_dir/server.py" "$@"
	await 10000 has_line parent.out '^[0-9]* [0-9]'
	read -r tcp udp <parent.out
	name=mitosis-net-$parent
	"${as[@]}" "$parent_tool" --pid "$parent" >reference.out 2>reference.err || fail "$(cat reference.err)"
	await_reference reference.out
}

# both: two children of one snapshot beside their parent
both() {
	take "$@"
	answers 1 tcp "$tcp" || fail "the parent: $(cat ask.err)"
	run_child 20000 "$ref"
	expect_status 125
	expect_message "port $tcp of 127.0.0.1 is in use on this host; --publish $tcp=PORT"
	start_inside first "${options[@]}"
	first=$child first_real=$real
	await 10000 inside 1 tcp "$tcp"
	start_inside second "${options[@]}"
	await 10000 inside 1 tcp "$tcp"
	inside 2 udp "$udp" && inside 3 unix "$name" || fail "the child: $(cat ask.err)"
	[ "$(network "$real")" != "$(network "$first_real")" ] || fail "two children are in one network"
	[ "$(network "$child")" = "$(network self)" ] || fail "the supervisor is in another network"
	said second.err 'connections that it sees ended by the other side: 2'
	real=$first_real
	inside 2 tcp "$tcp" || fail "the first child: $(cat ask.err)"
	answers 2 tcp "$tcp" && answers 3 udp "$udp" && answers 4 unix "$name" || fail "the parent: $(cat ask.err)"
	local is
	is=$(network "$real")
	kill "$child" "$first"
	finish "$child" 10000
	expect_status 143
	finish "$first" 10000
	is_left "$is" && fail "somebody is left in the network"
	alive "$parent" || fail "the parent has ended"
}
as=()
for numbers in "" "threads"; do
	for tids in same new; do
		doing="${numbers:-alone}, --tids $tids"
		options=(--tids "$tids")
		# shellcheck disable=SC2086
		both $numbers
	done
done

doing="a new port as well"
take
start_inside named --publish "$tcp=127.0.0.1:80"
await 10000 inside 1 tcp 80
kill "$child"
finish "$child" 10000
doing="--net host"
run_child 20000 --net host "$ref"
expect_status 125
expect_message "is in use on this host"
expect 2 "$child_tool" --net other "$ref"
said err "--net: other: neither host nor new"

doing="by Python"
background child.out child.err env PYTHONPATH="$tests_dir/../share/mitosis-exp/python" PYTHONDONTWRITEBYTECODE=1 "$python" -c '
import sys, mitosis
try:
    mitosis.resume(sys.argv[1], net="other")
except ValueError as e:
    assert str(e) == "net: other: not one of host, new", e
mitosis.resume(sys.argv[1], net="new")' "$ref"
child=$!
pids+=("$child")
of_python() { is_inside && inside 1 tcp "$tcp"; }
await 10000 of_python
kill "$child"
finish "$child" 10000

doing="memory that comes late"
if "$helper_tool" uffd >/dev/null; then
	start_inside late --mode demand --window 1 --no-push
	await 10000 inside 1 tcp "$tcp"
	kill "$child"
	finish "$child" 10000
fi

doing="an address of the host's"
outside=$(ip -4 -o address show scope global 2>/dev/null | awk '{ sub("/.*", "", $4); print $4; exit }')
if [ -n "$outside" ]; then
	forget_parent
	launch_parent /dev/null "$python" -c "import socket, time
s = socket.create_server(('$outside', 0))
print(s.getsockname()[1], flush=True)
time.sleep(1000)"
	await 10000 has_line parent.out '^[0-9]'
	tcp=$(<parent.out)
	"$parent_tool" --pid "$parent" >reference.out 2>reference.err || fail "$(cat reference.err)"
	await_reference reference.out
	run_child 20000 --net new "$ref"
	expect_status 125
	expect_message "$outside is no address of the child's network, and TCP port $tcp was bound to it"
fi

doing="where there can be none"
without=(unshare -Ur sh -c 'echo 0 >/proc/sys/user/max_net_namespaces; exec "$@"' sh)
if [ -z "$(why_not -U -r)" ]; then
	take
	expect 125 "${without[@]}" "$child_tool" --net new "$ref"
	said err "it cannot have a network of its own (--net new): there may be no more of them.*sysctl user.max_net_namespaces is 0"
	[ "$(grep -c . err)" -le 2 ] || fail "it says: $(cat err)"
fi

doing="another user"
nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)
if [ "$(id -u)" = 0 ] && [ -z "$(why_not -U -n -- "${nobody[@]}")" ]; then
	chmod 711 "$work_dir"
	chmod 644 server.py
	as=("${nobody[@]}")
	for numbers in "" "threads"; do
		for tids in same new; do
			doing="another user, ${numbers:-alone}, --tids $tids"
			options=(--tids "$tids")
			# shellcheck disable=SC2086
			both $numbers
			said second.err 'it is in a user namespace'
		done
	done
	doing="another user, none"
	take
	expect 125 unshare -Ur sh -c 'echo 0 >/proc/sys/user/max_user_namespaces; exec "$@"' sh setpriv --bounding-set=-all \
		--inh-caps=-all "$child_tool" --net new "$ref"
	said err 'it cannot have a network of its own (--net new): '
fi
forget_parent
