#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# A command on a node is, for its caller, like a local one: input, output, status, signals, place.

# shellcheck disable=SC2016,SC2119,SC2317 # what is quoted is for the nodes; await calls functions
# shellcheck source-path=SCRIPTDIR source=lab.sh
. "$(dirname "$0")/lab.sh"

lab_up --no-rdma -n 2

doing="status and streams"
expect 3 lab exec node1 'echo out; echo err >&2; exit 3'
[ "$(cat out err)" = "out
err" ] || fail "streams are mixed"
expect 127 lab exec node1 -- /nonexistent
said err 'node1: /nonexistent: No such file'
expect 126 lab exec node1 -- /etc/passwd
expect 139 lab exec node1 'kill -SEGV $$'
said err 'killed by SIGSEGV'
expect 0 lab exec node1 -- printf '%s|' 'a b' '' '$HOME' '*'
[ "$(cat out)" = 'a b||$HOME|*|' ] || fail "words were changed: $(cat out)"

doing="place and environment"
expect 0 lab exec --env ONE=1 --env TWO=2 node2 'pwd; hostname; echo $ONE$TWO $MITOSIS_LAB_NODE; id -u'
[ "$(cat out)" = "$work_dir
node2
12 node2
0" ] || fail "not where and who it should be: $(cat out)"
echo host >file
expect 0 lab exec node1 'cat file; echo guest >file; rm -f out'
[ "$(cat out) $(cat file)" = "host host" ] || fail "the host's file was written"
echo changed >file
expect 0 lab exec node2 'cat file'
said out changed

doing="several nodes"
expect 5 lab exec all 'echo $MITOSIS_LAB_NODE; printf unended; [ $MITOSIS_LAB_NODE = node1 ] || exit 5'
[ "$(sort out)" = "node1: node1
node1: unended
node2: node2
node2: unended" ] || fail "prefixed lines: $(cat out)"
echo for all >input
input=input expect 0 lab exec all -- cat
[ "$(sort out)" = "node1: for all
node2: for all" ] || fail "input of several: $(cat out)"

doing="64 MiB"
head -c 67108864 /dev/urandom >big
sum=$(sha256sum <big)
input=big expect 0 lab exec node1 -- sha256sum
[ "$(cat out)" = "$sum" ] || fail "standard input was changed"
expect 0 lab exec node1 -- cat "$work_dir/big"
[ "$(sha256sum <out)" = "$sum" ] || fail "standard output was changed"
rm -f big out
doing="input that never comes holds up nothing"
mkfifo hold && exec {hold_fd}<>hold
input=hold expect 0 lab exec node1 -- true
exec {hold_fd}>&-

doing=signals
for signal in INT:130 TERM:143 USR1:138; do
	"$tool" exec node1 'echo here; exec tail -f /dev/null' >"$signal.out" 2>"$signal.err" &
	pid=$!
	pids+=("$pid")
	await 20000 has_line "$signal.out" here
	kill -"${signal%:*}" "$pid"
	finish "$pid" 20000
	[ "$status" = "${signal#*:}" ] || fail "$signal: status $status"
done
"$tool" exec node1 'trap "echo caught; exit 7" TERM; echo here; while :; do sleep 0.1; done' \
	>trap.out 2>trap.err &
pid=$!
pids+=("$pid")
await 20000 has_line trap.out here
kill -TERM "$pid"
finish "$pid" 20000
[ "$status" = 7 ] || fail "a command that catches a signal: status $status"
said trap.out caught

doing="a client that dies takes its command along"
"$tool" exec node1 'echo here; exec sleep 31.4159' >dead.out 2>dead.err &
pid=$!
await 20000 has_line dead.out here
kill -KILL "$pid"
finish "$pid" 5000
# what looks must not have the number in a command line of its own
cat >look <<'END'
! cat /proc/[0-9]*/cmdline | tr '\0' ' ' | grep -q 'sleep 31\.4159'
END
no_sleep() { lab exec node1 -- sh look </dev/null; }
await 30000 no_sleep

doing="a limit"
expect 125 lab exec --timeout 1s node1 'exec sleep 100'
said err 'still running after 1 s: exec sleep 100'
said err 'sysrq: Show Blocked State'

doing="--out"
expect 4 lab exec --out kept all 'echo $MITOSIS_LAB_NODE; echo e >&2; exit 4'
for node in node1 node2; do
	[ "$(cat kept/$node/stdout kept/$node/stderr kept/$node/status)" = "$node
e
4" ] || fail "kept/$node"
done
# Opened as root of a user namespace, a file system of 64 KiB is full soon.
small='mount -t tmpfs -o size=64k small "$1" && shift && exec "$@"'
mkdir small
if unshare -rm sh -c "$small" sh small true 2>/dev/null; then
	expect 125 unshare -rm sh -c "$small" sh small "$tool" exec --out small/kept node1 \
		-- head -c 1000000 /dev/zero
	said err 'kept/node1/stdout: No space left on device'
fi
status=0
lab exec node1 'echo x' >/dev/full 2>err || status=$?
[ "$status" = 125 ] || fail "/dev/full: status $status"
said err 'standard output: No space left'
lab exec node1 -- yes 2>err | head -n 1 >out
[ "$(cat out err)" = y ] || fail "a closed pipe: $(cat err)"

doing="a shell with a terminal"
if command -v script >/dev/null; then
	status=0
	printf 'stty -echo\nhostname; tty\nexit 5\n' | timeout 60 script -qec "'$tool' shell node2" /dev/null \
		>out 2>err || status=$?
	[ "$status" = 5 ] || fail "the shell's status: $status"
	said out node2
	said out /dev/pts/
fi

doing=latency
best=100000
for _ in 1 2 3 4 5; do
	start=$(now_ms)
	lab exec node1 -- true
	took=$(($(now_ms) - start))
	((took < best)) && best=$took
done
echo "exec: $best ms"
((best < 2000)) || fail "exec takes $best ms"

doing=down
mapfile -t nodes < <(node_pids)
[ "${#nodes[@]}" = 2 ] || fail "status: ${nodes[*]}"
expect 0 lab down
nothing_left "$MITOSIS_LAB_NAME" "${nodes[@]}" || fail "something is left"
exit 0
