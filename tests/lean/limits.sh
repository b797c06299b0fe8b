#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# Each limit is hit, and holds; a host that cannot enforce one says so, and is refused if it must.
# shellcheck disable=SC2317 # await calls functions
# shellcheck source-path=SCRIPTDIR source=lean.sh
. "$(dirname "$0")/lean.sh"
need_lean
need_python

doing="without cgroup v2"
if [ "$(id -u)" = 0 ]; then
	root=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)
	# shellcheck disable=SC2016 # the inner shell expands
	hidden() { unshare -m sh -c 'umount -l "$0" 2>/dev/null; exec "$@"' "${root:-/nowhere}" "$@"; }
	expect 0 hidden "$prep" create v1 --rootfs "closure:/bin/sh" --memory 64M
	said err 'v1: warning: memory is not limited: cgroup v2 is not mounted here'
	expect 77 hidden "$prep" create v2 --rootfs "closure:/bin/sh" --memory 64M --require-limits
	expect 0 "$run" v1 -- sh -c 'exit 0'
	expect 77 "$prep" pause v1
	expect 77 "$run" --bench-pause v1
	expect 0 "$prep" rm v1
fi

if ! has_controllers; then
	doing="without controllers"
	expect 0 "$prep" create t --rootfs "closure:/bin/sh" --memory 64M --pids 20 --cpus 0
	for limit in memory pids cpus; do said err "t: warning: $limit is not limited: "; done
	[ "$("$prep" list | tail -n 1 | cut -f 8)" = none ] || fail "list tells of limits"
	if [ "$(id -u)" = 0 ] && [ -n "$root" ] && [ ! -e /run/systemd/system ] && ! grep -qw memory "$root/cgroup.controllers"; then
		# As the kernel lists them: with cgroup v1, disabled, or without cgroup v1.
		# shellcheck disable=SC2016 # the inner shell expands
		listed() { unshare -m sh -c 'mount --bind "$0" /proc/cgroups && exec "$@"' "$PWD/listed" "$@"; }
		while IFS=: read -r line why; do
			printf '#subsys_name\thierarchy\tnum_cgroups\tenabled\n%b\n' "$line" >listed
			expect 77 listed "$prep" create u --rootfs "closure:/bin/sh" --memory 64M --require-limits
			said err "u: memory cannot be limited: $why\$"
		done <<-'END'
			memory\t4\t50\t1:the controller belongs to cgroup v1 on this host
			memory\t0\t50\t0:the controller is disabled on the kernel's command line
			hugetlb\t0\t1\t1:this kernel has no such controller, or it is disabled on the kernel's command line
		END
	fi
	expect 77 "$prep" create u --rootfs "closure:/bin/sh" --memory 64M --require-limits
	said err 'u: memory cannot be limited: '
	[ "$(ls "$MITOSIS_LEAN_DIR/lib")" = t ] || fail "the refused template has left something"
	skip "limits cannot be hit: cgroup v2 has no controllers here; what is said then was tested"
fi

last=$(awk -F '[-,]' '{ print $NF }' /sys/devices/system/cpu/online)
expect 0 "$prep" create t --rootfs "closure:$python,/bin/sh,sleep" --memory 64M --pids 20 --cpus "$last" --require-limits
[ ! -s err ] || fail "unexpected messages"
[ "$("$prep" list | tail -n 1 | cut -f 8)" = memory,pids,cpus ] || fail "not all limits are in force"

doing=memory
expect 0 "$run" t -- "$python" -c 'bytearray(20 << 20)'
expect 137 "$run" t -- "$python" -c 'bytearray(200 << 20)'
said err 't: out of memory: a container may have 64M'
# What is in /tmp is memory too.
expect 137 "$run" t -- "$python" -c 'open("/tmp/a", "wb").write(bytearray(40 << 20)); bytearray(40 << 20)'
expect 0 "$run" t -- "$python" -c 'bytearray(20 << 20)'
# The whole container goes, not one process of it.
expect 137 "$run" t -- sh -c "$python -c 'bytearray(200 << 20)'; echo went on"
! grep -q 'went on' out || fail "only one process was killed"

doing="each container has its own"
"$run" t -- "$python" -c 'import sys; b = bytearray(40 << 20); print("ready", flush=True); sys.stdin.read()' >use.out 2>use.err < <(sleep 1000) &
user=$!
pids+=("$user")
await 60000 has_line use.out ready
expect 0 "$run" t -- "$python" -c 'bytearray(40 << 20)'
kill -KILL "$user"
finish "$user" 20000

doing=pids
expect 0 "$run" t -- "$python" -c 'import os, time
n = 0
try:
    while True:
        if os.fork() == 0: time.sleep(1000)
        n += 1
except BlockingIOError: print(n)'
(($(<out) >= 10 && $(<out) <= 19)) || fail "$(<out) processes, where 20 were allowed with the first two"

doing=cpus
expect 0 "$run" t -- "$python" -c 'import os; print(*os.sched_getaffinity(0))'
prints "$last"
if [ "$last" != 0 ]; then
	expect 1 "$run" t -- "$python" -c 'import os; os.sched_setaffinity(0, {0})'
fi
expect 1 "$prep" create far --rootfs closure:/bin/sh --cpus 4000
said err 'far: cpus: 4000 cannot be set'

doing="held by measured containers too"
expect 1 "$run" -n 2 t -- "$python" -c 'bytearray(200 << 20)'
[ "$(column out status | sort -u)" = 137 ] || fail "their statuses are $(column out status)"
expect 1 "$run" -n 2 --pool 2 t -- "$python" -c 'bytearray(200 << 20)'
[ "$(column out status | sort -u)" = 137 ] || fail "their statuses are $(column out status)"

expect 0 "$prep" rm t
exit 0
