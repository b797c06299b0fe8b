#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# confined.sh - a child gains no privileges that the parent gave up; filters of system calls it loses with a word.
. "$(dirname "$0")/../lib.sh"

start_parent "$state_tool" confined
run_child 20000 "$ref"
expect_status 0
[ "$(tail -n 1 child.out)" = "ok confined" ] || fail "$(cat child.out)"
expect_message "seccomp filters do not confine it"
run_child 20000 --strict "$ref"
expect_status 125
expect_message "refused, since the child would not be what its parent is: seccomp filters do not confine it"
[ ! -s child.out ] || fail "it ran"

# The same user, and more capable than the parent: what the parent lacked is not given.
if can=$(cd / && setpriv --inh-caps=-all true 2>&1) && [ "$(id -u)" = 0 ]; then
	doing="a parent without capabilities"
	start_parent setpriv --bounding-set=-all --inh-caps=-all "$build_dir/tests/user/everything" nothing
	run_child 20000 "$ref"
	expect_status 0
	expect_silence
	no_line child.out '^status:Cap' || fail "other capabilities: $(cat child.out)"
fi
: "$can"

# A directory as root, where names are others.
if [ "$(id -u)" = 0 ] && [ -z "$(why_not -m)" ]; then
	doing="a root directory"
	mkdir jail jail/proc jail/work
	cp "$build_dir/tests/user/everything" jail/ || broken "cp"
	# The mounts go with the processes that see them; this shell stays outside.
	cat >in-jail.sh <<-'END'
		mount -t proc proc jail/proc || exit 99
		exec chroot jail /everything nothing
	END
	start_parent unshare -m bash in-jail.sh
	inside=(nsenter -t "$parent" -m --)
	background child.out child.err "${inside[@]}" "$child_tool" "$ref"
	child=$!
	pids+=("$child")
	finish "$child" 20000
	expect_status 0
	expect_silence
	no_line child.out '^root:' && no_line child.out '^cwd:' && no_line child.out '^directory:' ||
		fail "it is elsewhere: $(cat child.out)"
	[ "$(tail -n 1 child.out)" = "ok everything" ] || fail "$(cat child.out)"
	# Who starts a child in other namespaces confines it so: it does not leave them for the parent's directory.
	run_child 20000 "$ref"
	expect_status 0
	expect_message "it is not confined to its parent's root directory (chroot); its namespaces are others (mnt)"
	has_line child.out '^root:' || fail "it is in the parent's root directory"
	run_child 20000 --strict "$ref"
	expect_status 125
	mkdir cell
	background child.out child.err "${inside[@]}" bash -c '
		mount --rbind / "$1/cell" && mount -t proc proc "$1/cell/proc" && shift && exec chroot "$0" "$@"' \
		"$PWD/cell" "$PWD" "$child_tool" "$ref"
	child=$!
	pids+=("$child")
	finish "$child" 20000
	expect_status 0
	expect_message "it is not confined to its parent's root directory (chroot)"
	# Without the right to enter it.
	background child.out child.err "${inside[@]}" setpriv --bounding-set=-sys_chroot "$child_tool" "$ref"
	child=$!
	pids+=("$child")
	finish "$child" 20000
	expect_status 0
	expect_message "it is not confined to its parent's root directory (Operation not permitted)"
fi

# It has changed its user, and so cannot be described to anybody but root.
if [ "$(id -u)" = 0 ] && need_python && others_reach "$MITOSIS_LIBRARY"; then
	doing="not dumpable"
	chmod 755 .
	cat >dropped.py <<-'END'
		import ctypes, os, sys
		os.setgid(65534)
		os.setuid(65534)
		library = ctypes.CDLL(sys.argv[1])
		said = []
		logger = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)(lambda *a: said.append(a[1]))
		library.mitosis_set_logger(logger, None)
		print(library.mitosis_prepare(None, ctypes.create_string_buffer(512)), said)
	END
	"$python" dropped.py "$MITOSIS_LIBRARY" >dropped.out 2>dropped.err || fail "status $?"
	grep -q "^-1 .*is not dumpable.*PR_SET_DUMPABLE" dropped.out || fail "$(cat dropped.out)"
fi
