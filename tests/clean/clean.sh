#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# mitosis-clean: finds all that the tools left, removes it when it is told to, says so, and finds nothing the
# second time; and it leaves alone what is not theirs, whatever that is called, and what is other users'.
#
# It removes all that is the caller's: so this runs in namespaces of its own, where there is nothing else.
# shellcheck source-path=SCRIPTDIR/.. source=lib.sh
. "$(dirname "$0")/../lib.sh"
if [ -z "${MITOSIS_CLEAN_ALONE:-}" ]; then
	# As root of a user namespace, too, if that is what there is.
	for how in "-npmif" "-Urnpmif"; do
		unshare $how --mount-proc true 2>/dev/null || continue
		export MITOSIS_CLEAN_ALONE=1 MITOSIS_BUILDDIR=$build_dir
		unshare $how --mount-proc --kill-child "$tests_dir/clean/clean.sh"
		exit
	done
	skip "$(why_not -npmif --mount-proc)"
fi
ip link set lo up 2>/dev/null || "$python" - <<'END' || skip "the loopback device cannot be set up"
import fcntl, socket, struct
s = socket.socket()
fcntl.ioctl(s, 0x8914, struct.pack("16sh14x", b"lo", 1 | 64))    # SIOCSIFFLAGS: up, running
END
clean=$bin_dir/mitosis-clean
prep=$bin_dir/mitosis-leanprep
export MITOSIS_LEAN_DIR=$work_dir/lean

# cleaned STATUS OPTION...: records in out
cleaned() {
	local wanted=$1
	shift
	status=0
	"$clean" "$@" >out 2>clean.err </dev/null || status=$?
	[ "$status" = "$wanted" ] || fail "status $status instead of $wanted: $* $(cat out)"
}
# records KIND OUTCOME: how many there are
records() { awk -F '\t' -v kind="$1" -v outcome="$2" '$1 == kind && $5 == outcome' out | wc -l; }
# expect KIND OUTCOME N
expect() { [ "$(records "$1" "$2")" = "$3" ] || fail "$(records "$1" "$2") instead of $3 $1 $2: $(cat out)"; }
nothing() {
	[ "$(grep -vc '^#' out)" = 1 ] || fail "not nothing: $(cat out)"
	[ "$(<clean.err)" = "mitosis-clean: nothing is left" ] || fail "it says: $(cat clean.err)"
}

doing="nothing there"
cleaned 0
nothing
[ ! -e "$MITOSIS_LEAN_DIR" ] || fail "it made directories"
cleaned 0 --json
[ ! -s out ] || fail "JSON of nothing: $(cat out)"
cleaned 0 --json --header
grep -q '^{"meta"' out || fail "no JSON: $(cat out)"
cleaned 0 --yes
nothing

modes=("--mode eager")
"$helper_tool" uffd && modes+=("--no-push --window 1")
for options in "${modes[@]}"; do
	doing="a snapshot and a child, $options"
	start_parent "$state_tool" slow
	find_shadow
	# shellcheck disable=SC2086
	start_child child $options "$ref"
	await_child "$child" '^running'
	cleaned 0 --dry-run
	expect snapshot found 1
	expect child found 1
	alive "$shadow" && alive "$child" && alive "$real" || fail "a dry run ended something"
	# What cannot be looked at for want of descriptors is not taken for nothing.
	for limit in 4 5 6 7 8 9 10 11 12; do
		status=0
		bash -c 'ulimit -n "$1" && exec "$2" --dry-run' - "$limit" "$clean" >out 2>clean.err </dev/null || status=$?
		if [ "$status" = 0 ]; then
			expect snapshot found 1
			expect child found 1
		else
			[ "$status" = 1 ] && grep -q 'Too many open files$' clean.err || fail "$limit: status $status: $(cat clean.err)"
		fi
	done
	[ "$status" = 0 ] || fail "$limit descriptors are too few"
	grep -q "${ref##*/}" out clean.err && fail "the key to a snapshot is printed"
	# There is nobody to ask; and --dry-run is that, whatever else is said.
	cleaned 1
	expect snapshot found 1
	expect child found 1
	[ "$(<clean.err)" = "mitosis-clean: nothing was removed: without a terminal to ask at, --yes is needed" ] ||
		fail "it says: $(cat clean.err)"
	cleaned 0 --dry-run --yes
	expect snapshot found 1
	alive "$shadow" && alive "$child" && alive "$real" || fail "it ended something without a yes"
	cleaned 0 --yes
	expect snapshot removed 1
	expect child removed 1
	gone "$shadow" && gone "$child" && gone "$real" || fail "it says so, but they run"
	[ "$(awk -F '\t' '$1 == "child" { print $3 }' out)" = "$child" ] || fail "another child: $(cat out)"
	[ "$(awk -F '\t' '$1 == "snapshot" { print $3 }' out)" = "$shadow" ] || fail "another snapshot: $(cat out)"
	alive "$parent" || fail "the parent ended"
	cleaned 0
	nothing
	end_parent
done

doing="a child that ignores SIGTERM"
cat >stubborn.py <<'END'
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
parent = os.getpid()
os.kill(os.getppid(), signal.SIGUSR1)
while os.getpid() == parent:
    time.sleep(0.02)
print("running", flush=True)
while True:
    signal.pause()
END
if [ -x "$python" ]; then
	start_parent "$parent_tool" --on USR1 -- "$python" stubborn.py
	start_child child --tids new --mode eager "$ref"
	await_child "$child" '^running'
	cleaned 0 --yes
	expect child removed 1
	gone "$child" && gone "$real" || fail "it runs"
	forget_parent
fi

doing="a snapshot that does not answer"
start_parent "$state_tool" slow
find_shadow
kill -STOP "$shadow"
cleaned 0 --yes
expect snapshot removed 1
await 5000 gone "$shadow"
end_parent

doing="on a terminal"
cat >terminal.py <<'END'
import os, pty, sys
answer = sys.argv[1].encode()
pid, fd = pty.fork()
if not pid:
    os.execv(sys.argv[2], sys.argv[2:])
said = b""
while True:
    try:
        data = os.read(fd, 4096)
    except OSError:
        break
    said += data
    if data and b"[y/N] " in said and answer is not None:
        os.write(fd, answer)
        answer = None
sys.stdout.write(said.decode().replace("\r", ""))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
END
# answered STATUS ANSWER OPTION...: what is on the terminal in terminal.out
answered() {
	local wanted=$1
	shift
	status=0
	timeout 60 "$python" terminal.py "$1" "$clean" "${@:2}" >terminal.out 2>terminal.err </dev/null || status=$?
	[ "$status" = "$wanted" ] || fail "status $status instead of $wanted: $* $(cat terminal.out terminal.err)"
}
if [ -x "$python" ]; then
	start_parent "$state_tool" slow
	find_shadow
	for no in $'\n' $'n\n' $'no\n' $'yeah\n' $'\004'; do
		answered 1 "$no"
		grep -q '^snapshot .*found' terminal.out || fail "it does not say what there is: $(cat terminal.out)"
		grep -q '^mitosis-clean: nothing was removed$' terminal.out || fail "$(cat terminal.out)"
		grep -q '^snapshot .*removed' terminal.out && fail "removed: $(cat terminal.out)"
		alive "$shadow" || fail "it ended, answered '$no'"
	done
	answered 0 $'y\n'
	grep -q '^snapshot .*found' terminal.out || fail "it does not say what there is: $(cat terminal.out)"
	grep -q '^snapshot .*removed' terminal.out || fail "it does not say what it has removed: $(cat terminal.out)"
	gone "$shadow" || fail "it says so, but it runs"
	answered 0 ''
	grep -q '^mitosis-clean: nothing is left$' terminal.out || fail "$(cat terminal.out)"
	end_parent
	start_parent "$state_tool" slow
	find_shadow
	answered 0 '' --yes
	grep -q '[[]y/N[]]' terminal.out && fail "asked in spite of --yes: $(cat terminal.out)"
	gone "$shadow" || fail "it runs"
	end_parent
fi

doing="another user's"
as_other=(setpriv --reuid=65534 --regid=65534 --clear-groups)
if "${as_other[@]}" "$helper_tool" fields >/dev/null 2>&1 && "${as_other[@]}" test -x "$child_tool"; then
	start_parent "${as_other[@]}" "$state_tool" slow
	find_shadow
	start_child child --mode eager "$ref"
	mine=$child
	await_child "$mine" '^running'
	background child.out child.err "${as_other[@]}" "$child_tool" --mode eager "$ref"
	child=$!
	pids+=("$child")
	await_child "$child" '^running'
	cleaned 0 --dry-run
	expect snapshot found 0
	expect child found 1
	cleaned 0 --yes
	expect child removed 1
	expect snapshot removed 0
	gone "$mine" && alive "$shadow" && alive "$child" || fail "not root's alone: $(cat out)"
	cleaned 0
	nothing
	status=0
	"${as_other[@]}" "$clean" --all-users >out 2>clean.err </dev/null || status=$?
	[ "$status" = 2 ] || fail "--all-users is root's: $(cat out clean.err)"
	grep -q '^mitosis-clean: --all-users: takes root$' clean.err || fail "$(cat clean.err)"
	cleaned 1 --all-users
	alive "$shadow" && alive "$child" || fail "ended without a yes"
	cleaned 0 --all-users --yes
	expect child removed 1
	expect snapshot removed 1
	[ "$(awk -F '\t' '$1 == "snapshot" { print $4 }' out)" = 65534 ] || fail "another user: $(cat out)"
	gone "$shadow" && gone "$child" || fail "they run"
	end_parent
else
	echo "no other user here, or he may not run this build" >&2
fi

doing="namesakes"
# A program of this name that is not ours; one of ours that is somebody's program; our name as an argument only.
cp "$(command -v sleep)" mitosis-child
./mitosis-child 1000 &
pids+=("$!")
namesake=$!
(exec -a mitosis-child sleep 1000) &
pids+=("$!")
renamed=$!
"$parent_tool" --after 1000000 >ours.out 2>ours.err &
pids+=("$!")
ours=$!
await 5000 test -s ours.out
cleaned 0 --yes
nothing
for each in $namesake $renamed $ours; do
	alive "$each" || fail "it ended process $each"
	kill -KILL "$each"
done

doing="what it runs in"
cat >inside.sh <<END
"$clean" --yes >"$work_dir/out" 2>"$work_dir/clean.err"
echo \$? >"$work_dir/inside"
END
cat >inside.py <<'END'
import os, signal, subprocess, time
parent = os.getpid()
os.kill(os.getppid(), signal.SIGUSR1)
while os.getpid() == parent:
    time.sleep(0.02)
subprocess.run(["sh", "inside.sh"])
END
if [ -x "$python" ]; then
	start_parent "$parent_tool" --on USR1 -- "$python" inside.py
	run_child 60000 --tids new --mode eager "$ref"
	[ "$(cat inside)" = 1 ] || fail "the status is $(cat inside): $(cat out)"
	expect child left 1
	grep -q 'runs below it' out || fail "no reason: $(cat out)"
	expect_status 0
	forget_parent
fi

doing=templates
if "$prep" create one --rootfs closure:/bin/sleep 2>prep.err; then
	"$prep" create two --rootfs closure:/bin/sleep 2>prep.err || fail "create"
	background run.out run.err "$bin_dir/mitosis-leanrun" one -- sleep 1000
	pids+=("$!")
	runner=$!
	runs_sleep() { grep -qx sleep /proc/[0-9]*/comm 2>/dev/null; }
	await 20000 runs_sleep
	keeper=$(sed -n 's/^pid=//p' "$MITOSIS_LEAN_DIR/run/two/view")
	alive "$keeper" || broken "no keeper"
	# What a crash leaves: a directory without a description, and a lock without anything.
	mkdir -p "$MITOSIS_LEAN_DIR/lib/three/rootfs"
	: >"$MITOSIS_LEAN_DIR/run/four.lock"
	cleaned 0 -n
	expect container found 1
	expect template found 2
	expect leftover found 2
	cleaned 1
	alive "$runner" && alive "$keeper" || fail "they ended without a yes"
	[ -e "$MITOSIS_LEAN_DIR/lib/three" ] || fail "the leftover is gone without a yes"
	cleaned 0 --yes
	expect container removed 1
	expect template removed 2
	expect leftover removed 2
	gone "$runner" && gone "$keeper" || fail "they run: $(cat out)"
	runs_sleep && fail "the container runs"
	[ -z "$(find "$MITOSIS_LEAN_DIR" -mindepth 2)" ] || fail "left: $(find "$MITOSIS_LEAN_DIR")"
	cleaned 0
	nothing
else
	echo "no lean containers here: $(tail -n 1 prep.err)" >&2
fi

doing="the module"
if [ ! -e /sys/module/mitosis ]; then
	cleaned 0 --yes --module
	nothing
fi

doing="a full disk"
status=0
"$clean" >/dev/full 2>err || status=$?
[ "$status" = 1 ] && grep -q 'write error' err || fail "status $status: $(cat err)"

doing=errors
for wrong in something --no-such; do
	cleaned 2 $wrong
done
exit 0
