#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# Many containers: records, pools, spawners in parallel, steps, pauses; children of a snapshot.
# shellcheck disable=SC2016 # the containers' shells expand
# shellcheck source-path=SCRIPTDIR source=lean.sh
. "$(dirname "$0")/lean.sh"
need_lean
first=$build_dir/bench/first

case $build_dir in /tmp/*) skip "the build directory is below /tmp, which containers have of their own" ;; esac
expect 0 "$prep" create t --rootfs "closure:/bin/sh,/bin/true,/bin/false,$stamp,$stamp-static,$first,cat"

# positive NAME...: every record has a number above zero in these columns
positive() {
	local name
	for name; do
		[ "$(column out "$name" | grep -c '^[1-9][0-9]*$')" = "$(column out iter | wc -l)" ] || fail "$name: $(column out "$name")"
	done
}
# records N: as many, each of them once, all successful
records() {
	[ "$(column out iter | sort -n)" = "$(seq 0 $(($1 - 1)))" ] || fail "the records are $(column out iter | tr '\n' ' ')"
	[ "$(column out status | sort -u)" = 0 ] || fail "the statuses are $(column out status | sort -u)"
}

doing=bench
expect 0 "$run" t --bench -n 20 -- /bin/true
records 20
positive start_ns total_ns
[ "$(column out slot_ns | sort -u)" = NA ] && [ "$(column out clone_ns | sort -u)" = NA ] || fail "what was not measured is there"
awk -F '\t' '/^t\t/ { if ($5 > $7) exit 1 }' out || fail "a start takes longer than the whole"

doing=steps
expect 0 "$run" t --bench -n 5 --steps -- /bin/true
records 5
positive clone_ns mount_ns confine_ns exec_ns
awk -F '\t' '/^t\t/ { if ($11 + $12 + $13 + $14 != $5) exit 1 }' out || fail "the steps are not the whole start"

doing=stamp
expect 0 "$run" t --stamp -n 5 -- "$stamp"
records 5
expect 1 "$run" t --stamp -n 5 -- /bin/true
said err 'did not print the time'

doing=pool
expect 0 "$run" t --pool 8 -n 30 -- /bin/true
records 30
positive start_ns slot_ns
[ "$(column out mode | sort -u)" = pool ] || fail "the mode is $(column out mode)"
expect 0 "$run" t --pool 3 -n 10 --stamp -- "$stamp"
records 10
expect 0 "$run" t --pool 8 -n 2 --parallel 4 -- sh -c 'exit 0'
records 2
# A static program is held at its main: its constructors have run when it is asked for.
expect 0 "$run" t --pool 3 -n 10 --stamp -- "$stamp-static"
records 10
expect 1 "$run" t --pool 3 -n 10 --stamp -- "$stamp-static" constructor
said err 'did not print the time'
# One that is not made by a C library, before its first system call.
expect 0 "$run" t --pool 3 -n 10 --stamp -- "$first"
records 10

doing="steps of a pool"
expect 0 "$run" t --pool 3 --steps -n 10 -- /bin/true
records 10
positive slot_ns clone_ns mount_ns confine_ns exec_ns
awk -F '\t' '/^t\t/ { if ($11 + $12 + $13 + $14 != $10) exit 1 }' out || fail "the steps are not the whole making of a slot"

doing=rate
expect 0 "$run" t -n 20 -- /bin/true
[ "$(column out containers_per_s | grep -c '^[1-9]')" = 10 ] || fail "the rates are $(column out containers_per_s)"
# All of them took as long as the rates say, each of which is of two.
awk -F '\t' '/^t\t/ { if ($9 + $7 > end) end = $9 + $7; if ($16 != "NA") sum += 2 / $16 }
	END { exit !(sum * 1e9 > end * 0.999 && sum * 1e9 < end * 1.001) }' out || fail "the rates are not those of the times"

doing=parallel
expect 0 "$run" t -b -n 30 --parallel 1,3 -- /bin/true
[ "$(column out parallel | sort | uniq -c | awk '{ print $1, $2 }' | tr '\n' ' ')" = "30 1 30 3 " ] || fail "$(column out parallel)"

doing=failures
expect 1 "$run" t -n 3 -- /bin/false
said err '3 containers ended with another status'
[ "$(column out status | sort -u)" = 1 ] || fail "the statuses are $(column out status | sort -u)"
expect 127 "$run" t -n 3 -- no-such-command
expect 2 "$run" t -n 0 -- /bin/true
expect 0 "$run" t -n 2 --json -- /bin/true
said out '"start_ns":'
status=0
"$run" t -n 100000 -- /bin/true >/dev/full 2>err || status=$?
[ "$status" = 1 ] || fail "a full disk gives status $status"
status=0
"$run" t -n 2 -- /bin/true >&- 2>err || status=$?
[ "$status" = 1 ] && said err 'write error: Bad file descriptor' || fail "no standard output gives status $status"
[ ! -s "$MITOSIS_LEAN_DIR/run/t.lock" ] || fail "the records are in the template's lock"
# A container reads nothing, and what it writes goes nowhere.
echo x >in
input=in expect 0 "$run" t -n 2 -- sh -c 'test -z "$(cat)"; echo output'
! grep -q '^output' out || fail "output of a container is among the records"

doing=pause
if "$prep" inspect t | grep -q '^group	/'; then
	expect 0 "$run" t --bench-pause -n 5
	positive pause_ns start_ns
	[ "$(column out mode | sort -u)" = pause ] || fail "the mode is $(column out mode)"
	expect 0 "$run" t --bench-pause -n 10 -p 1,2
	[ "$(column out iter | sort -n | uniq -c | awk '{ print $1 }' | sort -u)" = 2 ] || fail "the records are $(column out iter)"
	positive pause_ns start_ns
	# A command is asked once before the first pause, and once in each.
	expect 0 "$run" t --bench-pause -n 7 -- sh -c 'n=0; while read line; do n=$((n + 1)); echo $n; done; '
	positive pause_ns start_ns
	expect 0 "$run" t --bench-pause -n 20 --parallel 3 -- cat
	positive pause_ns start_ns
	[ "$(column out containers_per_s | grep -c '^[1-9]')" = 6 ] || fail "the rates are $(column out containers_per_s)"
	expect 1 "$run" t --bench-pause -n 3 -- /bin/true
	said err '/bin/true: ended with status 0 instead of answering'
	expect 77 "$run" t --bench-pause -n 3 -- sh -c 'exit 77'
	expect 1 "$run" t --bench-pause -n 3 -- sh -c 'read line; echo; read line; exit 5'
	said err 'sh: ended with status 5 instead of answering'
	expect 1 "$run" t --bench-pause -n 3 -- sh -c 'read line; echo; (sleep 0.1; echo more) & read line; echo; read line'
	expect 127 "$run" t --bench-pause -n 3 -- no-such-command
	expect 2 "$run" t --bench-pause --pool 3
fi

doing="a child of a snapshot"
need_python
start_parent "$state_tool" data
expect 0 "$run" t --child "$ref"
prints "ok data"
input=parent.out expect 0 "$run" t --child -
prints "ok data"
expect 0 "$run" t --child "${ref/127.0.0.1/localhost}" -- --mode eager --quiet
prints "ok data"
for options in "" "--pool 2"; do
	doing="children of a snapshot, $options"
	# shellcheck disable=SC2086
	expect 0 "$run" t --child "$ref" --count 4 --parallel 2 $options
	records 4
	positive start_ns resume_ns total_ns
	awk -F '\t' '/^t\t/ { if ($5 > $6 || $6 > $7) exit 1 }' out || fail "start, resume and total are not in this order"
	! grep -q "${ref##*/}" out || fail "the reference's key is among the records"
done
doing="no snapshot"
expect 125 "$run" t --child "${ref%/*}/00000000-0000-4000-8000-000000000000"
expect 2 "$run" t --child nonsense
expect 1 "$run" t --child "${ref%/*}/00000000-0000-4000-8000-000000000000" -n 2

doing="the device comes along"
if [ "$(id -u)" = 0 ] && [ -c /dev/userfaultfd ]; then
	expect 0 "$run" t --child "$ref" -- --mode demand
fi
doing="a child cannot be told from other containers"
start_parent "$parent_tool" --on USR1 --engine user -- "$python" -c 'import os, signal, sys
os.kill(os.getppid(), signal.SIGUSR1)
sys.stdin.read()		# A child goes on here: its standard input is another.
status = {k: v.strip() for k, _, v in (l.partition(":") for l in open("/proc/self/status"))}
if status["NoNewPrivs"] == "1":
    print(status["CapEff"], status["Seccomp"], os.getppid(), os.path.exists("/sys/kernel"), os.access("/", os.W_OK), flush=True)'
expect 0 "$run" t --child "$ref"
prints "0000000000000000 2 1 False False"

# What mitosis-child, the first process of a container, starts has id 2, and so has this parent.
doing="children in containers do not draw the same keys"
LIBCRYPTO=$("$python" -c 'import _hashlib
print({l.split()[-1] for l in open("/proc/self/maps") if "/libcrypto" in l}.pop())' 2>/dev/null) || exit 0
PYTHON_MODULE=$tests_dir/../share/mitosis-exp/python
export LIBCRYPTO PYTHON_MODULE
namespaces=(-pf)
[ "$(id -u)" = 0 ] || namespaces=(-Urpf)
start_parent unshare "${namespaces[@]}" --mount-proc --kill-child sh -c '"$@"; exit $?' sh "$python" -B "$tests_dir/user/draws.py" library
for number in 1 2 3; do
	expect 0 "$run" t --child "$ref" -- --quiet
	[ "$(head -n 1 out)" = "pid 3" ] || fail "the id is $(head -n 1 out)"
	grep '^openssl ' out >>keys
done
[ "$(sort -u keys | wc -l)" = 3 ] || fail "the keys are $(cat keys)"
exit 0
