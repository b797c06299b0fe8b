#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# mitosis-clean: finds all that the tools left, removes it, says so, and finds nothing the second time; and
# it leaves alone what is not theirs, whatever that is called.
#
# Root's mitosis-clean removes everybody's: so this runs in namespaces of its own, where there is nobody else.
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
	skip "namespaces cannot be made here"
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
nothing() { [ "$(grep -vc '^#' out)" = 1 ] || fail "not nothing: $(cat out)"; }

doing="nothing there"
cleaned 0
nothing
[ ! -e "$MITOSIS_LEAN_DIR" ] || fail "it made directories"
cleaned 0 --json
[ ! -s out ] || fail "JSON of nothing: $(cat out)"
cleaned 0 --json --header
grep -q '^{"meta"' out || fail "no JSON: $(cat out)"

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
	cleaned 0
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
import os, signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
parent = os.getpid()
os.kill(parent, signal.SIGUSR1)
print("running" if os.getpid() != parent else "parent", flush=True)
while True:
    signal.pause()
END
if [ -x "$python" ]; then
	start_parent "$parent_tool" --on USR1 -- "$python" stubborn.py
	start_child child --mode eager "$ref"
	await_child "$child" '^running'
	cleaned 0
	expect child removed 1
	gone "$child" && gone "$real" || fail "it runs"
	forget_parent
fi

doing="a snapshot that does not answer"
start_parent "$state_tool" slow
find_shadow
kill -STOP "$shadow"
cleaned 0
expect snapshot removed 1
await 5000 gone "$shadow"
end_parent

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
cleaned 0
nothing
for each in $namesake $renamed $ours; do
	alive "$each" || fail "it ended process $each"
	kill -KILL "$each"
done

doing="what it runs in"
cat >inside.sh <<END
"$clean" >"$work_dir/out" 2>"$work_dir/clean.err"
echo \$? >"$work_dir/inside"
END
cat >inside.py <<'END'
import os, signal, subprocess, sys
parent = os.getpid()
os.kill(parent, signal.SIGUSR1)
if os.getpid() == parent:
    sys.stdin.read()
else:
    subprocess.run(["sh", "inside.sh"])
END
if [ -x "$python" ]; then
	start_parent "$parent_tool" --on USR1 -- "$python" inside.py
	run_child 60000 --mode eager "$ref"
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
	cleaned 0
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
	cleaned 0 --module
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
