#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# tids.sh - children with their parent's process and thread numbers, in namespaces of their own: what they see, that
# several live side by side, how they end, and that nothing is left.
. "$(dirname "$0")/../lib.sh"
need_python
need_namespaces -p -f --mount-proc

cat >program.py <<'END'
"""Says "as before" if its numbers are; ends by itself on SIGUSR1 with status 7."""
import os
import signal
import sys
import threading
import time

process, tids = os.getpid(), []
if "ssl" in sys.argv:
    import ssl
    ssl.RAND_bytes(1)
go = threading.Event()


def work():
    tids.append(threading.get_native_id())
    go.wait()


if "alone" not in sys.argv:
    for thread in [threading.Thread(target=work, daemon=True) for _ in range(3)]:
        thread.start()
    while len(tids) < 3:
        time.sleep(0.01)
signal.signal(signal.SIGUSR1, lambda *_: os._exit(7))
signal.signal(signal.SIGUSR2, lambda *_: os.fork() or os.execlp("sleep", "sleep", "1000"))
os.write(1, b"parent\n")
while os.path.exists("hold"):
    time.sleep(0.01)
task = {int(t) for t in os.listdir("/proc/self/task")}
same = os.getpid() == process and set(tids) <= task and os.readlink("/proc/self") == str(process)
os.write(1, b"as before\n" if same else b"other\n")
os.write(1, f"in {os.getcwd()} uid {os.getuid()} numbers {process} {sorted(task)}\n".encode())
while True:
    time.sleep(0.01)
END
# What it looks at is the child's: the parent waits as long as there is such a file where it was started.
mkdir away

# take [COMMAND...] -- [ARGUMENT...]: a parent by that command, and its snapshot by the same
take() {
	local with=()
	while [ "$1" != -- ]; do
		with+=("$1")
		shift
	done
	shift
	forget_parent
	touch hold
	launch_parent /dev/null "${with[@]}" "$python" "$work_dir/program.py" "$@"
	await 10000 has_line parent.out '^parent$'
	"${with[@]}" "$parent_tool" --pid "$parent" >reference.out 2>reference.err || fail "$(cat reference.err)"
	await_reference reference.out
	rm hold
}
pid_namespace() { readlink "/proc/$1/ns/pid"; }
# Nobody is left in a namespace.
is_empty() {
	local link
	for link in /proc/[0-9]*/ns/pid; do
		[ "$(readlink "$link" 2>/dev/null)" != "$1" ] || return 1
	done
}
# start NAME [OPTION]...: a child that has its parent's numbers; its pid here in $real, its namespace in $inside
start() {
	local name=$1
	shift
	start_child "$name" "$@" "$ref"
	await 10000 has_line "$name.out" '^in '
	has_line "$name.out" '^as before$' || fail "$name: $(cat "$name.out" "$name.err")"
	real=$(real_child "$child") || fail "no child below the supervisor"
	inside=$(pid_namespace "$real")
	[ "$inside" != "$(pid_namespace self)" ] || fail "it is in our namespace"
}
init_of() { pgrep -P "$1" -x mitosis-init; }

doing="by PID"
take --
start first
first=$child first_inside=$inside
start second
[ "$inside" != "$first_inside" ] || fail "two children are in one namespace"
cmp -s first.out second.out || fail "$(cat first.out second.out)"
said first.out "in $work_dir "
no_line first.err 'numbers' || fail "$(cat first.err)"

doing="what the kernel says of it"
[ "$(sed -n 's/^NSpid:.*\t//p' "/proc/$real/status")" = "$parent" ] || fail "it is not $parent"
# Among those of one snapshot, as any other.
expect 0 "$bin_dir/mitosis-ls" "$ref"
awk -F '\t' '/^#/ { next } !at { for (i = 1; i <= NF; i++) if ($i == "children") at = i; next } $at == 2 { found = 1 }
	END { exit !found }' out || fail "not two children: $(cat out)"

doing="its end"
kill -USR1 "$first"
finish "$first" 10000
expect_status 7
is_empty "$first_inside" || fail "somebody is left in the namespace"
alive "$child" || fail "the other one ended with it"
doing="stop and go on"
is_state() { [ "$(sed "s/.*) //; s/ .*//" "/proc/$1/stat" 2>/dev/null)" = "$2" ]; }
kill -STOP "$real"
await 5000 is_state "$real" T
kill -CONT "$real"
await 5000 is_state "$real" S
doing="a signal"
# What it has started ends with it.
kill -USR2 "$child"
sleeps() { pgrep -x sleep --ns "$real" --nslist pid >/dev/null; }
await 10000 sleeps
kill -TERM "$child"
finish "$child" 10000
expect_status 143
is_empty "$inside" || fail "somebody is left in the namespace"

for whom in supervisor init child; do
	doing="kill -9 of the $whom"
	start killed
	init=$(init_of "$child") || fail "there is no process 1"
	case $whom in
	supervisor) kill -KILL "$child" ;;
	init) kill -KILL "$init" ;;
	child) kill -KILL "$real" ;;
	esac
	finish "$child" 10000
	expect_status 137
	await 10000 is_empty "$inside"
	await 5000 gone "$real"
	await 5000 gone "$init"
done

doing="mitosis-clean"
start cleaned
expect 0 "$bin_dir/mitosis-clean" --dry-run
said out "python.*[[:space:]]$child\([[:space:]]\|$\)"
no_line out "mitosis-init[[:space:]]$child[[:space:]]" || fail "$(cat out)"
kill "$child"
finish "$child" 10000

doing="a child of a child"
start parent_of
above=$child
expect 0 "$parent_tool" --pid "$real"
ref=$(<out)
start_child below "$ref"
has_number() {
	below=$(real_child "$child") && [ "$(sed -n 's/^NSpid:.*\t//p' "/proc/$below/status")" = "$parent" ]
}
await 10000 has_number
kill -USR1 "$child"
finish "$child" 10000
expect_status 7
no_line below.err 'namespaces' || fail "$(cat below.err)"
kill "$above"
finish "$above" 10000

doing="--tids"
take --
expect 2 "$child_tool" --tids some "$ref"
said err "some: neither same, new nor auto"
start_child new --tids new "$ref"
await 10000 has_line new.out '^other$'
said new.err "its process and thread numbers are not its parent's (--tids new)"
kill "$child"
finish "$child" 10000
expect 125 "$child_tool" --tids new --strict "$ref"
said err "refused.*its process and thread numbers"
# Where namespaces may not be made: by default that is said, and a child that has to have them is not made.
without=(unshare -Ur sh -c 'echo 0 >/proc/sys/user/max_pid_namespaces; exec "$@"' sh)
if [ -z "$(why_not -U -r)" ]; then
	expect 125 "${without[@]}" "$child_tool" --tids same "$ref"
	said err "it cannot have its parent's process and thread numbers.*sysctl user.max_pid_namespaces is 0"
	background without.out without.err "${without[@]}" "$child_tool" "$ref"
	child=$!
	pids+=("$child")
	await 10000 has_line without.out '^other$'
	said without.err "its process and thread numbers are not its parent's (.*user.max_pid_namespaces is 0)"
	kill "$child"
	finish "$child" 10000
fi
# Mounts of its own are no way out of a root directory.
if [ "$(id -u)" = 0 ]; then
	doing="a root directory"
	cat >chrooted.py <<'END'
import os, sys, threading
threading.Thread(target=threading.Event().wait, daemon=True).start()
os.chroot("jail")
os.chdir("/")
inside = os.open("/", os.O_RDONLY)
os.write(1, b"ready\n")
sys.stdin.read()
try:
    os.open("../../../../etc/passwd", os.O_RDONLY, dir_fd=inside)
    os.write(1, b"outside\n")
except OSError as e:
    os.write(1, f"inside {e.errno}\n".encode())
os._exit(0)
END
	mkdir -p jail/proc
	mount -t proc proc jail/proc || skip "nothing can be mounted here"
	cleanups+=("umount -l $PWD/jail/proc")
	mkfifo jailer
	"$python" chrooted.py <jailer >jail.out 2>jail.err &
	parent=$!
	pids+=("$parent")
	exec {jail}>jailer
	await 10000 has_line jail.out '^ready$'
	expect 0 "$parent_tool" --pid "$parent"
	ref=$(<out)
	for choice in auto new; do
		run_child 20000 --tids "$choice" "$ref"
		expect_status 0
		has_line child.out '^inside 2$' || fail "$choice: $(cat child.out child.err)"
	done
	exec {jail}>&-
	finish "$parent" 10000
fi
doing="one thread"
take -- alone
start alone
kill "$child"
finish "$child" 10000
doing="one thread, --tids new"
start_child new --tids new "$ref"
await 10000 has_line new.out '^other$'
no_line new.err "numbers" || fail "$(cat new.err)"
kill "$child"
finish "$child" 10000

# What OpenSSL draws is the same where the number is.
doing="a library that draws random numbers"
if [ -n "$("$python" -c 'import ssl; print([l for l in open("/proc/self/maps") if "libcrypto.so" in l] or "")')" ]; then
	take -- alone ssl
	start drawing
	said drawing.err 'it may draw the same random numbers as other children (libcrypto.so'
	kill "$child"
	finish "$child" 10000
	expect 125 "$child_tool" --strict "$ref"
	said err 'refused.*the same random numbers'
	start_child new --tids new "$ref"
	await 10000 has_line new.out '^other$'
	no_line new.err "random" || fail "$(cat new.err)"
	kill "$child"
	finish "$child" 10000
fi

doing="asyncio"
cat >loop.py <<'END'
import asyncio
import os


async def tick():
    os.write(1, b"parent\n")
    while os.path.exists("hold"):
        await asyncio.sleep(0.01)
    child = await asyncio.create_subprocess_exec("true")
    await child.wait()
    asyncio.get_running_loop().call_soon(os.write, 1, b"all is well\n")
    await asyncio.sleep(0.1)

asyncio.run(tick())
END
forget_parent
touch hold
launch_parent /dev/null "$python" loop.py
await 10000 has_line parent.out '^parent$'
expect 0 "$parent_tool" --pid "$parent"
ref=$(<out)
rm hold
run_child 20000 "$ref"
expect_status 0
expect_output "all is well"

doing="process 1"
forget_parent
touch hold
launch_parent /dev/null unshare -pf --mount-proc --kill-child "$python" "$work_dir/program.py"
await 10000 has_line parent.out '^parent$'
expect 0 "$parent_tool" --pid "$(real_child "$parent")"
ref=$(<out)
rm hold
start_child one "$ref"
await 10000 has_line one.out '^as before$'
real=$(real_child "$child")
inside=$(pid_namespace "$real")
said one.out 'numbers 1 '
kill -USR1 "$child"
finish "$child" 10000
expect_status 7
is_empty "$inside" || fail "somebody is left in the namespace"

doing="another user"
nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)
if [ "$(id -u)" = 0 ] && others_reach "$parent_tool" && [ -z "$(why_not -U -p -f --mount-proc -- "${nobody[@]}")" ]; then
	chmod 711 "$work_dir"
	chmod 644 program.py
	take "${nobody[@]}" --
	background user.out user.err "${nobody[@]}" "$child_tool" "$ref"
	child=$!
	pids+=("$child")
	await 10000 has_line user.out '^as before$'
	real=$(real_child "$child")
	inside=$(pid_namespace "$real")
	said user.out ' uid 65534 '
	said user.err 'it is in a user namespace'
	grep -q '^CapPrm:[[:space:]]*0*$' "/proc/$real/status" || fail "it has capabilities"
	kill -USR1 "$child"
	finish "$child" 10000
	expect_status 7
	is_empty "$inside" || fail "somebody is left in the namespace"
fi
forget_parent
