#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# publish.sh - a port that the parent serves is not the child's on the same host, unless --publish gives it another; then
# both serve, each its own clients.
. "$(dirname "$0")/../lib.sh"
need_python

cat >server.py <<'END'
import os, selectors, socket, sys, threading
kind = getattr(socket, sys.argv[1])
listener = socket.socket(socket.AF_INET, kind)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
for option in sys.argv[2:]:
    listener.setsockopt(socket.SOL_SOCKET, getattr(socket, option), 1)
listener.bind(("127.0.0.1", 0))
if kind == socket.SOCK_STREAM:
    listener.listen(30)
listener.setblocking(False)
many = selectors.DefaultSelector()
many.register(listener, selectors.EVENT_READ)
threads = [threading.Thread(target=threading.Event().wait, daemon=True) for _ in range(3)]
for thread in threads:
    thread.start()
count = 0
print(listener.getsockname()[1], flush=True)
while many.select():
    count += 1
    text = b"%d %d" % (count, listener.getsockname()[1])
    if kind == socket.SOCK_STREAM:
        client, _ = listener.accept()
        client.sendall(text)
        client.close()
    else:
        _, sender = listener.recvfrom(100)
        listener.sendto(text, sender)
END
cat >ask.py <<'END'
import socket, sys
s = socket.socket(socket.AF_INET, getattr(socket, sys.argv[1]))
s.settimeout(5)
s.connect(("127.0.0.1", int(sys.argv[2])))
if sys.argv[1] == "SOCK_DGRAM":
    s.send(b"?")
print(s.recv(100).decode())
END
ask() { "$python" ask.py "$type" "$1" 2>ask.err; }
free_port() {
	"$python" -c "import socket; s = socket.socket(type=socket.$type); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1])"
}
answers() { [ "$(ask "$1")" = "$2" ]; }

for what in "SOCK_STREAM" "SOCK_STREAM SO_REUSEPORT" "SOCK_DGRAM" "SOCK_DGRAM SO_REUSEPORT"; do
	doing=$what
	type=${what%% *}
	# shellcheck disable=SC2086
	launch_parent /dev/null "$python" server.py $what
	await 10000 has_line parent.out '^[0-9]'
	old=$(<parent.out)
	answers "$old" "1 $old" || fail "the parent: $(cat ask.err)"
	"$parent_tool" --pid "$parent" >reference.out 2>reference.err || fail "$(cat reference.err)"
	await_reference reference.out
	# Never by sharing it.
	run_child 20000 "$ref"
	expect_status 125
	expect_message "port $old of 127.0.0.1 is in use on this host; --publish $old=PORT gives the child another"
	[ "$(grep -c 'mitosis-child: [^w]' child.err)" = 1 ] || fail "it says: $(cat child.err)"
	answers "$old" "2 $old" || fail "the parent"
	new=$(free_port)
	start_child child --strict --publish "127.0.0.1:$old=$new" "$ref"
	await 10000 answers "$new" "2 $new"
	answers "$old" "3 $old" || fail "the parent"
	answers "$new" "3 $new" || fail "the child"
	# The same port once more: it is the first child's.
	first=$child
	run_child 20000 --publish "$old=$new" "$ref"
	expect_status 125
	expect_message "port $new of 127.0.0.1 is in use on this host; --publish $old=PORT"
	kill "$first"
	finish "$first" 5000
	answers "$old" "4 $old" || fail "the parent"
	forget_parent
	wait "${copiers[@]}"
done

type=SOCK_STREAM
launch_parent /dev/null "$python" server.py SOCK_STREAM
await 10000 has_line parent.out '^[0-9]'
old=$(<parent.out)
"$parent_tool" --pid "$parent" >reference.out 2>reference.err || fail "$(cat reference.err)"
await_reference reference.out
refused() {
	doing="--publish $1"
	run_child 20000 --publish "$1" "$ref"
	expect_status "$2"
	expect_message "$3"
	[ "$(grep -c . child.err)" -le 2 ] || fail "it says: $(cat child.err)"
}
none="no socket of the parent's has that address, or could have the other"
refused "1=2" 125 "--publish 1=2: $none"
refused "127.0.0.2:$old=8000" 125 "$none"
refused "$old=[::1]:8000" 125 "$none"
refused "/no/socket=/tmp/other" 125 "$none"
refused "$old" 2 "expected [ADDRESS:]OLD=[ADDRESS:]NEW"
refused "$old=0" 2 "expected "
refused "$old=65536" 2 "expected "
refused "$old=/path" 2 "expected "
refused "$old=x" 2 "expected "
refused "$old=80,81=82" 2 "one at a time"
# Before anybody is asked.
expect 2 "$child_tool" --publish "$old=x" "mitosis://127.0.0.1:1/${ref##*/}"
said err "expected "
refused "$old=192.0.2.1:8000" 125 "192.0.2.1 is no address of this host, and TCP port 8000 was bound to it; --publish $old=ADDRESS:8000"

doing="by Python"
new=$(free_port)
background child.out child.err env PYTHONPATH="$tests_dir/../share/mitosis-exp/python" PYTHONDONTWRITEBYTECODE=1 "$python" -c '
import sys, mitosis
_, reference, old, new = sys.argv
mitosis.resume(reference, strict=True, publish={int(old): f"127.0.0.1:{new}"})' "$ref" "$old" "$new"
child=$!
pids+=("$child")
await 10000 answers "$new" "1 $new"
answers "$old" "1 $old" || fail "the parent"
kill "$child"
finish "$child" 5000
forget_parent

cat >unix.py <<'END'
import socket, threading
listeners = [socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)]
for listener, name in zip(listeners, ("path", "\0mitosis-publish-%d" % __import__("os").getpid())):
    listener.bind(__import__("os").path.abspath(name) if name[0] != "\0" else name)
    listener.listen(5)
def serve(listener, count=0):
    while True:
        client, _ = listener.accept()
        count += 1
        client.sendall(b"%d" % count)
        client.close()
threads = [threading.Thread(target=serve, args=(l,)) for l in listeners]
for thread in threads:
    thread.start()
print("listens", flush=True)
END
ask() {
	"$python" -c 'import socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(5)
s.connect(sys.argv[1].replace("@", "\0"))
print(s.recv(10).decode())' "$1" 2>ask.err
}
doing="unix sockets"
launch_parent /dev/null "$python" unix.py
await 10000 has_line parent.out '^listens$'
name=mitosis-publish-$parent
"$parent_tool" --pid "$parent" >reference.out 2>reference.err || fail "$(cat reference.err)"
await_reference reference.out
run_child 20000 "$ref"
expect_status 125
expect_message "the socket $work_dir/path is in use on this host; --publish OLD=NEW"
run_child 20000 --publish "$work_dir/path=$work_dir/other" "$ref"
expect_status 125
expect_message "the socket @$name is in use on this host; --publish OLD=NEW"
[ ! -e other ] || fail "what was bound for no child is left"
start_child child --strict --publish "$work_dir/path=$work_dir/other" --publish "@$name=@$name-other" "$ref"
await 10000 answers "$work_dir/other" 1
answers "@$name-other" 1 || fail "the child: $(cat ask.err)"
answers "$work_dir/path" 1 && answers "@$name" 1 || fail "the parent: $(cat ask.err)"
[ "$(stat -c %a path)" = "$(stat -c %a other)" ] || fail "the file's mode"
kill "$child"
finish "$child" 5000
answers "$work_dir/path" 2 && answers "@$name" 2 || fail "the parent: $(cat ask.err)"
