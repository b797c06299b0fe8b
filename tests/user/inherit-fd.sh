#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# inherit-fd.sh - a connection that the parent had is ended in a child, or the caller's descriptor is in its place.
. "$(dirname "$0")/../lib.sh"
need_python

cat >server.py <<'END'
import socket, sys
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
client, _ = listener.accept()
for line in sys.stdin:
    client.sendall(line.encode())
END
cat >client.py <<'END'
import os, socket, sys, threading
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
r, w = os.pipe()
threading.Thread(target=os.read, args=(r, 1), daemon=True).start()
print("connected", s.fileno(), flush=True)
while True:
    try:
        text = os.read(s.fileno(), 100)
    except OSError as e:
        print("error", e.errno, flush=True)
        text = b""
    if not text:
        break
    print("read", text.decode().strip(), flush=True)
s.close()
print("end", flush=True)
threading.Event().wait()
END
mkfifo words
"$python" server.py <words >server.out 2>server.err &
pids+=("$!")
exec {words}>words
without() { exec {words}>&-; exec "$@"; }
await 10000 has_line server.out '^[0-9]'
launch_parent /dev/null without "$python" client.py "$(<server.out)"
await 10000 has_line parent.out '^connected'
fd=$(sed -n 's/^connected //p' parent.out)
echo one >&"$words"
await 10000 has_line parent.out '^read one$'
"$parent_tool" --pid "$parent" >reference.out 2>reference.err || fail "$(cat reference.err)"
await_reference reference.out

doing="ended"
start_child child "$ref"
await 10000 has_line child.out '^end$'
expect_message "connections that it sees ended by the other side: 1 (descriptor $fd)"
expect_output "error 104
end"
kill "$child"
finish "$child" 5000
echo two >&"$words"
await 10000 has_line parent.out '^read two$'

doing="replaced"
mkfifo other
exec {writer}<>other
exec {other}<other
lone() {
	exec {writer}>&- {words}>&-
	exec "$@"
}
background child.out child.err lone "$child_tool" --mode eager --strict --inherit-fd "$fd=$other" "$ref"
child=$!
pids+=("$child")
echo three >&"$writer"
await 10000 has_line child.out '^read three$'
expect_silence
# Nobody but the child has it.
[ "$(find "/proc/$child/fd" -lname "$work_dir/other" | wc -l)" = 0 ] || fail "the supervisor kept it"
exec {other}>&- {writer}>&-
await 10000 has_line child.out '^end$'
kill "$child"
finish "$child" 5000
no_line parent.out 'three\|end' || fail "the parent: $(cat parent.out)"

refused() {
	doing="--inherit-fd $1"
	run_child 20000 --inherit-fd "$1" "$ref"
	expect_status "$2"
	expect_message "--inherit-fd $1: $3"
}
exec 9</dev/null
refused "999=9" 125 "the parent has no descriptor 999"
refused "$fd=99" 2 "descriptor 99 is not open"
# Nor is what the library opens there in the meantime.
refused "$fd=3" 2 "descriptor 3 is not open"
refused "2=9" 2 "descriptors 0 to 2 are the caller's in any case"
refused "$fd" 2 "expected N=M"
refused "$fd=x" 2 "expected N=M"
doing="twice"
run_child 20000 --inherit-fd "$fd=9" --inherit-fd "$fd=9" "$ref"
expect_status 2
expect_message "--inherit-fd $fd=9: it is given twice"
doing="goes on"
echo four >&"$words"
await 10000 has_line parent.out '^read four$'

# What is in a pipe of whose ends the caller gave one is lost, which is said.
doing="one end of a pipe"
cat >piped.py <<'END'
import os, threading
r, w = os.pipe()
os.write(w, b"kept")
print("pipe", r, w, flush=True)
threading.Event().wait()
END
forget_parent
launch_parent /dev/null "$python" piped.py
await 10000 has_line parent.out '^pipe'
read -r _ reader writer < <(grep '^pipe' parent.out)
"$parent_tool" --pid "$parent" >reference.out 2>reference.err || fail "$(cat reference.err)"
await_reference reference.out
run_child 20000 --strict --inherit-fd "$writer=9" "$ref"
expect_status 125
expect_message "descriptor $reader is closed (pipe:["
