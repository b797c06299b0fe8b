#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# pid.sh - any process becomes a parent by its number, and a command from above: it is not disturbed, all its threads
# go on in children, and what cannot be a parent says why.
. "$(dirname "$0")/../lib.sh"

has_child() { pgrep -P "$supervisor" >/dev/null; }
# state_is PID LETTER: as ps(1) shows it
state_is() { [ "$(sed "s/.*) //; s/ .*//" "/proc/$1/stat" 2>/dev/null)" = "$2" ]; }

# Threads in every kind of call that a stop could end early: snapshot after snapshot.
waiting() {
	launch_parent /dev/null "$build_dir/tests/user/interrupted"
	await 10000 has_line parent.out '^waiting$'
}
undisturbed() { has_line "$1" '^calls [1-9]' && no_line "$1" '\(eintr\|early\|trampled\) [1-9]'; }
waiting
program=$parent
for doing in first second third fourth fifth; do
	expect 0 "$parent_tool" --pid "$program"
	[[ $(<out) =~ $reference ]] && [ ! -s err ] || fail "$(cat out err)"
	[ "$doing" != first ] || ref=$(<out)
done
doing="the parent"
# Until its calls have begun to end.
told() { has_line parent.out '^calls [1-9]' || { kill -USR1 "$program" && false; }; }
await 10000 told
undisturbed parent.out || fail "$(cat parent.out)"

doing="children"
for ((i = 0; i < 3; i++)); do
	start_child "child$i" "$ref"
	children[i]=$child
done
for ((i = 0; i < 3; i++)); do
	# Its supervisor passes the signal on, once there is a child.
	supervisor=${children[i]}
	await 20000 has_child
	told() {
		has_line "child$i.out" '^calls [1-9]' || { kill -USR1 "${children[i]}" && false; }
	}
	await 20000 told
	kill "${children[i]}"
	finish "${children[i]}" 5000
	[ "$status" = 143 ] || fail "status $status: $(cat "child$i.err")"
	undisturbed "child$i.out" || fail "$(cat "child$i.out")"
	: >"child$i.err"
done
doing=
alive "$program" || fail "the parent ended"

# A stopped process stays so, and so does its child until it is told to go on.
doing="stopped"
kill -STOP "$program"
await 5000 state_is "$program" T
expect 0 "$parent_tool" --pid "$program"
# It stops again by itself when it is let go.
await 5000 state_is "$program" T
ref=$(<out)
kill -CONT "$program"
start_child stopped "$ref"
supervisor=$child
await 10000 has_child
is_stopped() { stopped=$(real_child "$child") && state_is "$stopped" T; }
await 10000 is_stopped
kill -CONT "$stopped"
told() { has_line stopped.out '^calls [1-9]' || { kill -USR1 "$child" && false; }; }
await 20000 told
undisturbed stopped.out || fail "$(cat stopped.out)"
kill "$child"
finish "$child" 5000
: >stopped.err

# One that ends while it is made ready to fork, which is when all of its memory is there: its end is not missed.
doing="soon"
launch_parent /dev/null "$build_dir/tests/user/soon" 1000
await 10000 has_line parent.out '^ready$'
expect 0 "$parent_tool" --pid "$parent"
ref=$(<out)
for ((i = 0; i < 60; i++)); do
	# It knows a child by its number.
	expect 7 timeout $((20 * patience)) "$child_tool" --tids new "$ref"
	[ ! -s err ] || fail "$(cat err)"
done
kill "$parent"
finish "$parent" 5000

# A process that is killed while it stands still ends as any other, and so does who stopped it.
doing="killed"
cat >killed.py <<'END'
import os, subprocess, sys, threading
tool, = sys.argv[1:]
def die_in_the_stop():
    program = subprocess.Popen([sys.executable, "-c", "import threading, time\n"
        "for _ in range(60): threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()\n"
        "print(1, flush=True); time.sleep(1000)"], stdout=subprocess.PIPE)
    program.stdout.readline()
    status = os.open(f"/proc/{program.pid}/status", os.O_RDONLY)
    tracer = subprocess.Popen([tool, "--pid", str(program.pid)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while b"TracerPid:\t0\n" in os.pread(status, 4096, 0):
        if tracer.poll() is not None:
            break
    program.kill()
    print(program.wait(60), tracer.wait(60) in (0, 1), flush=True)
for _ in range(5):
    die_in_the_stop()
END
need_python
expect 0 "$python" killed.py "$parent_tool"
[ "$(sort -u out)" = "-9 True" ] || fail "$(cat out err)"

# What is none, or not ours.
refuse_pid() {
	doing="process $1"
	expect 1 "$parent_tool" --pid "$1"
	[ ! -s out ] || fail "it printed $(cat out)"
	said err "^mitosis-parent: process $1: $2"
}
refuse_pid 4194305 "there is no such process"
thread=$(ls "/proc/$program/task" | tail -n 1)
refuse_pid "$thread" "it is a thread of process $program"
[ -e /proc/2/maps ] && grep -q kthreadd /proc/2/comm 2>/dev/null && refuse_pid 2 "it is a thread of the kernel"
# A zombie: its parent waits for nobody.
need_python
"$python" -c 'import os, time
pid = os.fork() or os._exit(0)
open("zombie.new", "w").write(str(pid))
os.rename("zombie.new", "zombie")
time.sleep(100)' &
pids+=("$!")
await 5000 test -s zombie
await 5000 state_is "$(<zombie)" Z
refuse_pid "$(<zombie)" "it has ended"
if command -v strace >/dev/null; then
	strace -qq -f -e trace=none -o /dev/null -p "$program" &
	tracer=$!
	pids+=("$tracer")
	traced() { grep -q "^TracerPid:[[:space:]]*$tracer" "/proc/$program/status"; }
	await 10000 traced
	refuse_pid "$program" "it is traced by process $tracer"
	kill "$tracer"
	wait "$tracer" 2>/dev/null || true
	untraced() { grep -q "^TracerPid:[[:space:]]*0" "/proc/$program/status"; }
	await 10000 untraced
fi
doing=
alive "$program" || fail "the parent ended"
# What a child can never have is said before there is a reference.
refuse_state() {
	local why=$1
	shift
	launch_parent /dev/null "$python" -c "$@"
	await 10000 has_line parent.out '^ready$'
	refuse_pid "$parent" "$why"
	alive "$parent" || fail "the parent ended"
	kill "$parent"
	finish "$parent" 5000
}
if [ "$(id -u)" = 0 ]; then
	refuse_state "it is not dumpable" 'import os, sys
os.setgid(65534); os.setuid(65534)
print("ready", flush=True); sys.stdin.read()
while True: os.read(os.pipe()[0], 1)'
fi
# A filter that kills what the snapshot is to be.
refuse_state "its snapshot was killed" 'import ctypes, os, struct
setsid = {"x86_64": 112, "aarch64": 157}[os.uname().machine]
rules = struct.pack("=" + "HBBI" * 4, 0x20, 0, 0, 0, 0x15, 0, 1, setsid, 6, 0, 0, 0x80000000, 6, 0, 0, 0x7fff0000)
program = ctypes.create_string_buffer(rules)
filter = ctypes.create_string_buffer(struct.pack("@HP", 4, ctypes.addressof(program)))
libc = ctypes.CDLL(None)
if libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, filter, 0, 0) == 0:
    print("ready", flush=True)
while True: os.read(os.pipe()[0], 1)'
expect 0 "$parent_tool" --pid "$program"
kill "$program"
finish "$program" 5000

# From above: as if the command had been started directly.
doing="status"
expect 7 "$parent_tool" -- sh -c 'exit 7'
expect 143 "$parent_tool" -- sh -c 'kill $$'
expect 127 "$parent_tool" -- no-such-command
# A reference that nobody takes is no reason to end the command.
doing="a reader that has gone"
writes() { sed -n 's/^syscw: //p' "/proc/$1/io"; }
has_written() { [ "$(writes "$parent")" -gt "$before" ]; }
# refuse_reference COMMAND...: whose standard output takes no reference
refuse_reference() {
	rm -f ready go-on
	"$@" --on USR1 -- sh -c ': >ready; until [ -e go-on ]; do sleep 0.01; done; exit 3' 2>refused.err &
	parent=$!
	pids+=("$parent")
	await 10000 test -e ready
	before=$(writes "$parent")
	kill -USR1 "$parent"
	await 10000 has_written
	: >go-on
	finish "$parent" 10000
	[ "$status" = 3 ] || fail "status $status: $(cat refused.err)"
}
exec {gone}> >(:)
wait "$!"
refuse_reference "$parent_tool" >&"$gone"
exec {gone}>&-
doing="a file that may not grow"
: >full
refuse_reference prlimit --fsize=0 "$parent_tool" >>full
refuse_reference "$parent_tool" >/dev/full
doing="a time"
background after.out after.err "$parent_tool" --after 10ms -- "$build_dir/tests/user/interrupted"
parent=$!
pids+=("$parent")
await 10000 has_line after.out '^mitosis://'
# The signal is the command's here.
kill -USR1 "$parent"
await 10000 has_line after.out '^calls'
kill "$parent"
finish "$parent" 5000
[ "$status" = 143 ] || fail "status $status"
doing="a port"
cat >listen.py <<'END'
import socket, sys, time
sys.stdin.readline()
s = socket.create_server(("127.0.0.1", 0))
print("port", s.getsockname()[1], flush=True)
sys.stdin.readline()
END
port=$("$python" -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
sed -i "s/(\"127.0.0.1\", 0)/(\"127.0.0.1\", $port)/" listen.py
mkfifo go
"$parent_tool" --when-listening "$port" -- "$python" listen.py <go >listen.out 2>listen.err &
parent=$!
pids+=("$parent")
exec {go}>go
no_line listen.out '^mitosis://' || fail "before it listened"
echo >&"$go"
await 20000 has_line listen.out '^mitosis://'
exec {go}>&-
finish "$parent" 10000
[ "$status" = 0 ] || fail "status $status: $(cat listen.err)"
