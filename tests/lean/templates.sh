#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# The life of templates: made once, idempotent or refused, used by several at once, removed only when
# unused; a crash at any step leaves nothing that clean does not find; the host's mounts stay as they are.
# shellcheck disable=SC2317,SC2016 # await calls functions; the containers' shells expand
# shellcheck source-path=SCRIPTDIR source=lean.sh
. "$(dirname "$0")/lean.sh"
need_lean
need_command strace

# Those of this test's templates, once one was made
groups() { [ -z "${base:-}" ] || find "$base" -mindepth 1 -name "${1:-?*}" -type d 2>/dev/null; }
# Keepers of this test's templates
keepers() {
	local pid found=1
	for pid in $(pgrep -x "lean:$1"); do
		if grep -qzx "MITOSIS_LEAN_DIR=$MITOSIS_LEAN_DIR" "/proc/$pid/environ" 2>/dev/null; then
			echo "$pid"
			found=0
		fi
	done
	return "$found"
}
mounts_before=$(cat /proc/self/mountinfo)

doing="create"
expect 0 "$prep" create t --rootfs closure:/bin/sh,sleep --hostname host1
expect 0 "$prep" create t --rootfs closure:/bin/sh,sleep --hostname host1
expect 0 "$prep" create t
expect 1 "$prep" create t --rootfs closure:/bin/sh,sleep --hostname host2
said err 't: exists with other settings (hostname=host1, not hostname=host2)'
expect 1 "$prep" create t --rootfs closure:/bin/sh
said err 't: exists with other settings (rootfs=closure:/bin/sh,sleep, not rootfs=closure:/bin/sh)'
expect 1 "$prep" create t --rootfs closure:/bin/sh,sleep --hostname host1 --memory 1G
said err 't: exists without memory=1073741824: remove it first'
expect 2 "$prep" create nothing
expect 2 "$prep" create ../x --rootfs host
expect 2 "$prep" create x --rootfs nonsense:
expect 2 "$prep" create x --rootfs dir:relative
expect 2 "$prep" create x --rootfs closure:/bin/sh --memory 1KB
expect 2 "$prep" create x --rootfs closure:/bin/sh --cpus a
for cpus in 1-0 1, ,1 1- -1 1--2; do expect 2 "$prep" create x --rootfs closure:/bin/sh --cpus "$cpus"; done
expect 2 "$prep" create x --rootfs closure:/bin/sh --tmp 0
expect 2 "$prep" create x --memory 1G
expect 2 "$prep" create t --memory 1G
said err '--rootfs: missing: t exists'
expect 2 "$prep" create x --rootfs closure:/bin/sh --network all
expect 2 "$prep" create x --rootfs closure:/bin/sh --cgroup "$PWD"
said err "^mitosis-leanprep: --cgroup: $PWD: not a directory of cgroup v2\$"
expect 2 "$prep" create x --rootfs closure:/bin/sh --cgroup /no/such
said err '/no/such: No such file'
expect 1 "$prep" create x --rootfs closure:/no/such/program
said err '/no/such/program: No such file'
# Shorter than its size says, as a file that is truncated meanwhile.
expect 1 "$prep" create x --rootfs closure:/sys/devices/system/cpu/online
said err '/sys/devices/system/cpu/online: Input/output error'
expect 1 "$prep" create x --rootfs tar:/no/such.tar
expect 1 "$prep" create x --rootfs dir:/no/such
expect 1 "$prep" create x --rootfs oci:/no/such
expect 2 "$prep" frobnicate
expect 2 "$prep" rm
expect 2 "$prep" list --all
[ "$(ls "$MITOSIS_LEAN_DIR/lib")" = t ] || fail "a refused template has left something: $(ls "$MITOSIS_LEAN_DIR/lib")"
expect 0 "$run" t -- sh -c 'exit 0'

base=$("$prep" inspect t | sed -n 's|^group\t\(/.*\)/t$|\1|p')

doing="list and inspect"
expect 0 "$prep" list
[ "$(column out name) $(column out state) $(column out containers)" = "t ready 0" ] ||
	[ "$(column out name) $(column out state)" = "t ready" ] || fail "$(<out)"
expect 0 "$prep" list --json
said out '"name":"t"'
expect 0 "$prep" inspect t
for line in 'rootfs	closure:/bin/sh,sleep' 'hostname	host1' 'state	ready' 'keeper_pid	[0-9]'; do said out "$line"; done
expect 1 "$prep" inspect nosuch

doing="an incomplete one"
mkdir "$MITOSIS_LEAN_DIR/lib/part"
expect 0 "$prep" list
[ "$(awk -F '\t' '$1 == "part" { print $3 }' out)" = incomplete ] || fail "$(<out)"
expect 0 "$prep" rm part
expect 1 "$prep" rm part
said err 'part: no such template'
[ "$(ls "$MITOSIS_LEAN_DIR/lib")" = t ] || fail "rm has left something: $(ls "$MITOSIS_LEAN_DIR/lib")"

doing="in use"
"$run" t -- sh -c "echo ready; sleep 1000.$$" >use.out 2>use.err &
user=$!
pids+=("$user")
await 20000 has_line use.out ready
expect 1 "$prep" rm t
said err 't: in use'
expect 1 "$prep" clean --all
expect 0 "$prep" create t --rootfs closure:/bin/sh,sleep --hostname host1
expect 0 "$run" t -- sh -c 'exit 0'
if "$prep" inspect t | grep -q '^group	/'; then
	"$prep" list >out
	[ "$(column out containers)" = 1 ] || fail "one container runs, not $(column out containers)"

	doing="pause"
	# It says "ready" before it sleeps.
	sleeps() { inner=$(pgrep -f "^sleep 1000.$$\$"); }
	await 20000 sleeps
	frozen() { grep -qx 'frozen 1' "$(groups c0 | head -n 1)/cgroup.events"; }
	expect 0 "$prep" pause t
	frozen || fail "it is not frozen"
	expect 0 "$prep" unpause t/0
	! frozen || fail "it is frozen"
	expect 0 "$prep" pause t/0
	kill -KILL "$user"
	await 20000 gone "$inner"
	expect 1 "$prep" pause t/7
	expect 1 "$prep" pause nosuch
	expect 2 "$prep" pause t/x
	expect 0 "$prep" unpause t
else
	kill -KILL "$user"
fi
finish "$user" 20000
expect 0 "$run" t -- sh -c 'exit 0'

doing="several spawners"
for i in 1 2 3 4; do
	"$run" --bench -n 50 --parallel 2 t -- sh -c 'exit 0' >"many.$i" 2>"many.$i.err" &
	many[i]=$!
	pids+=("${many[i]}")
done
for i in 1 2 3 4; do
	finish "${many[i]}" 60000
	[ "$status" = 0 ] || fail "spawner $i: status $status: $(<"many.$i.err")"
	[ "$(column "many.$i" status | grep -cx 0)" = 50 ] || fail "spawner $i lost containers"
done

doing="a spawner is killed"
"$run" --bench -n 100000 --parallel 2 --pool 8 t -- sh -c 'exit 0' >many.out 2>many.err &
user=$!
pids+=("$user")
enough() { [ "$(grep -c . many.out)" -ge 20 ]; }
await 30000 enough
kill -KILL "$user"
unused() {
	"$prep" list >left.out
	[ -z "$(column left.out containers | grep -vx -e 0 -e NA)" ] && return
	# For the message, should it stay so.
	for leaf in "$base"/t/c*/cgroup.procs; do
		for pid in $(<"$leaf"); do grep -H -e Name -e State -e PPid "/proc/$pid/status"; done
	done >left.err 2>&1
	return 1
}
await 20000 unused
rm -f left.err
removable() { "$prep" rm t 2>/dev/null; }
await 20000 removable
[ -z "$(ls -A "$MITOSIS_LEAN_DIR/lib" "$MITOSIS_LEAN_DIR/run" | grep -v :)" ] || fail "rm has left something"
[ "$(groups t)" = "" ] || fail "rm has left a cgroup"

doing="the keeper is killed"
expect 0 "$prep" create t --rootfs closure:/bin/sh
keeper=$("$prep" inspect t | awk -F '\t' '$1 == "keeper_pid" { print $2 }')
kill -KILL "$keeper"
await 20000 gone "$keeper"
"$prep" list >out
[ "$(column out state)" = stopped ] || fail "its state is $(column out state)"
expect 125 "$run" t -- sh -c 'exit 0'
said err 'run mitosis-leanprep create t'
expect 0 "$prep" create t
expect 0 "$run" t -- sh -c 'exit 0'
# As after a start of the host: what was under /run is gone.
keeper=$("$prep" inspect t | awk -F '\t' '$1 == "keeper_pid" { print $2 }')
kill -KILL "$keeper"
await 20000 gone "$keeper"
rm -rf "$MITOSIS_LEAN_DIR/run"
expect 125 "$run" t -- sh -c 'exit 0'
expect 0 "$prep" create t
expect 0 "$run" t -- sh -c 'exit 0'
expect 0 "$prep" rm t

doing="a crash at any step"
# Every command that changes something is run once to see what it does, and then again for each of these
# calls: its processes, the keeper's too, are killed where they make it. After each of these crashes
# "clean --all" has to find all that is left, and nothing may be left that it does not find.
# Of those by which trees are copied and removed, file by file, every third does: MITOSIS_CRASH_STEP=1 takes all.
step=${MITOSIS_CRASH_STEP:-3}
calls=chdir,chmod,clone,close_range,copy_file_range,fork,kill,lsetxattr,mkdir,mkdirat,mknodat,mount,openat,pause,pivot_root
calls=$calls,prctl,rename,rmdir,setsid,symlink,umount2,unlink,unlinkat,unshare,vfork,write
name=crash$$

# traced OPTION... COMMAND...: under strace, until the command's first process has ended. Its keeper may go on.
traced() {
	: >log
	# The shell in between keeps quiet about strace, which ends as the command does.
	{ strace -I 2 -f -qq -o log "$@" >out 2>err </dev/null; } 2>/dev/null &
	tracer=$!
	await 30000 begun
	read -r main _ <log
	await 60000 eval 'gone "$tracer" || gone "$main"'
	gone "$tracer" || pkill -TERM -P "$tracer" -x strace
	wait "$tracer" 2>/dev/null
}
begun() { [ -s log ] || gone "$tracer"; }
# Those of the calls in the log that had an effect: "CALL N", the N-th one of a process.
points() {
	awk '{ call = $2; sub(/\(.*/, "", call); n[$1, call]++ }
		$2 !~ /^[a-z0-9_]+\(/ || call == "execve" || / = -1 E/ || (call == "openat" && !/O_CREAT/) { next }
		{ print call, n[$1, call] }' log | sort -u |
		awk -v step="$step" '/^(mkdir|symlink|chmod|openat|copy_file_range|mknodat|unlink|unlinkat|rmdir) / && ++n[$1] % step { next } 1'
}
# Who has this test's directory in the environment it was started with, which the test itself has not.
processes() { env -u MITOSIS_LEAN_DIR grep -lzx "MITOSIS_LEAN_DIR=$MITOSIS_LEAN_DIR" /proc/[0-9]*/environ 2>/dev/null; }
nothing_left() {
	local left
	left=$(ls -A "$MITOSIS_LEAN_DIR/lib" "$MITOSIS_LEAN_DIR/run" 2>/dev/null | grep -v : | grep .) && left="files: $left"
	[ -z "$base" ] || [ ! -e "$base/$name" ] || left="$left group"
	[ -z "$(processes)" ] || left="$left processes: $(processes)"
	[ "$(cat /proc/self/mountinfo)" = "$mounts_before" ] || left="$left mounts"
	[ -z "$left" ] || echo "left: $left" >left.err
	[ -z "$left" ]
}
# A lock is held until a process that was killed has ended; then once is enough.
cleaned() { "$prep" clean --all --quiet 2>clean.err && nothing_left; }
# crashes PREPARATION COMMAND...
crashes() {
	local before=$1 call n unreached=0
	shift
	$before
	traced -e trace="execve,$calls" "$@"
	points >points
	await 20000 cleaned
	[ "$(wc -l <points)" -gt 2 ] || fail "only $(wc -l <points) calls: $(<points)"
	while read -r call n; do
		doing="$2 is killed at $call $n"
		$before
		traced -e trace="execve,$call" -e inject="$call:signal=KILL:when=$n" "$@"
		grep -q 'killed by SIGKILL' log || unreached=$((unreached + 1))
		# What has become a template by then can be completed.
		if [ "$2" = create ] && ((n % 3 == 1)) && [ -e "$MITOSIS_LEAN_DIR/lib/$name/template" ]; then
			completed() { "$prep" create "$name" 2>create.err; }
			await 20000 completed
			expect 0 "$run" "$name" -- true
		fi
		await 20000 cleaned
		rm -f -- *.err
	done <points
	# How many of a call there are may vary by some.
	[ "$unreached" -le 3 ] || fail "$unreached of $(wc -l <points) calls were not made again"
}
make() { expect 0 "$prep" create "$name" --rootfs closure:/bin/true; }
make_stopped() {
	local keeper
	make
	keeper=$("$prep" inspect "$name" | awk -F '\t' '$1 == "keeper_pid" { print $2 }')
	kill -KILL "$keeper"
	await 20000 gone "$keeper"
}
expect 0 "$prep" clean --all
crashes : "$prep" create "$name" --rootfs closure:/bin/true
doing="the loader that tells what a program needs is killed"
expect 1 strace -f -qq -o log -e trace=prctl -e inject=prctl:signal=KILL:when=1 "$prep" create "$name" --rootfs closure:/bin/true
said err ': ended by signal 9'
await 20000 cleaned
crashes make_stopped "$prep" create "$name"
crashes make "$prep" rm "$name"
[ "$(id -u)" != 0 ] || crashes make "$prep" mount-dev "$name" /dev/urandom

doing="interrupted"
mkfifo slow.tar
"$prep" create c --rootfs "tar:$PWD/slow.tar" >out 2>err &
user=$!
pids+=("$user")
await 20000 pgrep -P "$user" -x tar
kill -TERM "$user"
pkill -TERM -P "$user" -x tar
finish "$user" 20000
[ "$status" = 143 ] || fail "its status is $status"
[ -z "$(ls -A "$MITOSIS_LEAN_DIR/lib")" ] || fail "an interrupted create has left something"

doing="devices"
if [ "$(id -u)" = 0 ]; then
	expect 0 "$prep" create t --rootfs closure:/bin/sh,sleep
	expect 0 "$prep" mount-dev t /dev/urandom
	[ -c /dev/net/tun ] && mine=/dev/net/tun || mine=/dev/ptmx
	expect 0 "$prep" mount-dev t "$mine"
	expect 0 "$run" t -- sh -c "test -c $mine -o -L $mine"
	expect 2 "$run" t -- sh -c 'echo x >/dev/new'
	expect 0 "$prep" mount-dev t "$mine"
	[ "$("$prep" inspect t | grep -c "^device	$mine")" = 1 ] || fail "the device is listed twice"
	expect 1 "$prep" mount-dev t /dev/no-such
	expect 2 "$prep" mount-dev t /etc/passwd
	# It outlives the keeper.
	kill -KILL "$("$prep" inspect t | awk -F '\t' '$1 == "keeper_pid" { print $2 }')"
	await 20000 eval '! keepers t >/dev/null'
	expect 0 "$prep" create t
	expect 0 "$run" t -- sh -c "test -c $mine -o -L $mine"
	expect 0 "$prep" rm t
fi

[ "$(cat /proc/self/mountinfo)" = "$mounts_before" ] || fail "the host's mounts have changed"
expect 0 "$prep" clean
[ -z "$(groups)" ] && { [ -z "$base" ] || [ ! -e "$base" ]; } || fail "cgroups are left: $(groups)"
exit 0
