#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# unseen.sh - a parent sees no child that it did not make, whatever it does about SIGCHLD and orphans: no signal, nothing to
# wait for, and no zombie once the next snapshot has been taken.
. "$(dirname "$0")/../lib.sh"
need_python

cat >parent.py <<'END'
import ctypes, os, signal, sys

heard = []
if "ignores" in sys.argv:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
else:
    signal.signal(signal.SIGCHLD, lambda *_: heard.append(1))
if "adopts" in sys.argv:
    assert not ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
print("ready", flush=True)
for line in sys.stdin:
    try:
        print("child", os.waitpid(-1, os.WNOHANG), flush=True)
    except ChildProcessError:
        print("no child", len(heard), flush=True)
END
# Nobody is to be seen by the process itself.
asked() { [ "$(wc -l <parent.out)" -gt "$lines" ]; }
sees_nothing() {
	lines=$(wc -l <parent.out)
	echo >&"$words"
	await 10000 asked
	[ "$(tail -n 1 parent.out)" = "no child 0" ] || fail "$(tail -n 1 parent.out)"
}
zombies() { ps -o stat= --ppid "$parent" | grep -c '^Z'; }
lives() { "$bin_dir/mitosis-ls" | grep -q "$uuid"; }
has_ended() { ! lives && ! ps -o stat= --ppid "$parent" | grep -q '^[^Z]'; }
mkfifo words
exec {words}<>words
for how in "" ignores adopts "adopts ignores"; do
	doing=${how:-handles}
	# shellcheck disable=SC2086
	launch_parent words "$python" parent.py $how
	await 10000 has_line parent.out '^ready$'
	for ((i = 0; i < 3; i++)); do
		expect 0 "$parent_tool" --pid "$parent" --lifetime 60s
		uuid=$(<out)
		uuid=${uuid##*/}
		lives || fail "there is no snapshot"
		sees_nothing
		"$bin_dir/mitosis-ls" --release "$(<out)" >ls.out 2>&1 || fail "$(cat ls.out)"
		await 20000 has_ended
		# That of the one before has been waited for.
		if [[ $how == adopts* ]]; then expected=1; else expected=0; fi
		[ "$(zombies)" = "$expected" ] || fail "it has $(zombies) zombies"
		sees_nothing
	done
	kill "$parent"
	finish "$parent" 5000
done
