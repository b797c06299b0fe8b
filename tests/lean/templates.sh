#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The life of templates: made once, idempotent or refused, used by several at once, removed only when
# unused; a crash at any step leaves nothing that clean does not find; the host's mounts stay as they are.
# shellcheck disable=SC2317,SC2016 # await calls functions; the containers' shells expand
# shellcheck source-path=SCRIPTDIR source=lean.sh
. "$(dirname "$0")/lean.sh"
need_lean

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
expect 2 "$prep" create nothing
expect 2 "$prep" create ../x --rootfs host
expect 2 "$prep" create x --rootfs nonsense:
expect 2 "$prep" create x --rootfs dir:relative
expect 2 "$prep" create x --rootfs closure:/bin/sh --memory 1KB
expect 2 "$prep" create x --rootfs closure:/bin/sh --cpus a
expect 2 "$prep" create x --rootfs closure:/bin/sh --network all
expect 1 "$prep" create x --rootfs closure:/no/such/program
said err '/no/such/program: No such file'
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
	inner=$(pgrep -f "^sleep 1000.$$\$")
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
# Killed at each system call that changes something, one after the other, until create runs to its end.
if command -v strace >/dev/null; then
	for call in mkdir,mkdirat rename openat,open clone,fork,vfork write pivot_root; do
		for ((n = 1; n < 200; n += n / 2 + 1)); do
			status=0
			strace -qq -o /dev/null -e trace="$call" -e inject="$call":signal=KILL:when="$n" \
				"$prep" create c --rootfs closure:/bin/sh >out 2>err || status=$?
			if [ "$status" = 0 ]; then
				expect 0 "$prep" rm c
				break
			fi
			expect 0 "$prep" clean
			[ -z "$(ls -A "$MITOSIS_LEAN_DIR/lib" "$MITOSIS_LEAN_DIR/run" | grep -v -e : -e '^c$' -e 'c.lock')" ] ||
				fail "killed at $call $n: left: $(ls -A "$MITOSIS_LEAN_DIR"/*)"
			if [ -e "$MITOSIS_LEAN_DIR/lib/c/template" ]; then
				expect 0 "$prep" create c
				expect 0 "$run" c -- sh -c 'exit 0'
				expect 0 "$prep" rm c
			fi
			[ -z "$(ls -A "$MITOSIS_LEAN_DIR/lib" "$MITOSIS_LEAN_DIR/run" | grep -v :)" ] ||
				fail "killed at $call $n: left: $(ls -A "$MITOSIS_LEAN_DIR"/*)"
			await 20000 eval '! keepers c >/dev/null'
		done
	done
	# Stopped by a signal that can be caught, it tidies up itself.
	expect 0 "$prep" clean
fi
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
