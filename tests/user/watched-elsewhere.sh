#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# watched-elsewhere.sh - watched files and pseudo-terminals of a child that has other mounts than its parent, or another root
# directory: what is there is carried over, under its numbers, and what is not is named.
. "$(dirname "$0")/../lib.sh"
need_root
need_python
need_namespaces -m

mkdir one two cell
cat >watching.py <<'END'
"""Watches one/ and two/ and has a pseudo-terminal; behind the end of its input it says what it has of them."""
import ctypes, os, select, sys
libc, here = ctypes.CDLL(None), os.getcwd()
watching = libc.inotify_init1(os.O_NONBLOCK)
for name in "one", "two":
    libc.inotify_add_watch(watching, f"{here}/{name}".encode(), 0x100)      # IN_CREATE
master, slave = os.openpty()
print("watching", watching, master, slave, flush=True)
os.read(0, 1)
with open(f"/proc/self/fdinfo/{watching}") as info:
    print("watches", *sorted(line.split()[1] for line in info if line.startswith("inotify ")))
made = f"{here}/two/made by {os.getpid()}"
os.close(os.open(made, os.O_CREAT))
print("told" if select.select([watching], [], [], 10)[0] and os.read(watching, 100)[0] == 2 else "not told")
os.unlink(made)
try:
    os.write(slave, b"up\n")
    print("terminal", os.read(master, 10))
except OSError as e:
    print("terminal", e.strerror)
sys.stdout.flush()
os._exit(0)
END

# watched COMMAND...: a parent by that command
watched() {
	forget_parent
	rm -f hold
	mkfifo hold || broken "mkfifo"
	launch_parent hold "$@" "$python" "$PWD/watching.py"
	exec {hold_fd}>hold
	await 10000 has_line parent.out '^watching'
	read -r _ watching master slave <parent.out
	expect 0 "$parent_tool" --pid "$parent"
	cp out reference.out
	await_reference reference.out
}
# resumed COMMAND...: a child of it, by that command
resumed() {
	background child.out child.err "$@" "$ref"
	child=$!
	pids+=("$child")
	finish "$child" 20000
}
all="watches wd:1 wd:2
told
terminal b'up\\r\\n'"
# A command line of the shell, and then a command, with mounts of their own.
mounting=(unshare -m sh -c 'eval "$1" || exit 99; shift; exec "$@"' sh)

doing="other mounts, and the same files"
watched
resumed unshare -m "$child_tool"
expect_status 0
expect_output "$all"
no_line child.err 'descriptor' || fail "something is lost"

doing="another directory in the place of one"
resumed "${mounting[@]}" "mount -t tmpfs tmpfs '$PWD/one'" "$child_tool"
expect_status 0
expect_output "watches wd:2
told
terminal b'up\\r\\n'"
expect_message "descriptor $watching has lost 1 of 2 watches, the first of them $PWD/one ("
resumed "${mounting[@]}" "mount -t tmpfs tmpfs '$PWD/one'" "$child_tool" --strict
expect_status 125
expect_message "refused"
expect_message "descriptor $watching has lost 1 of 2 watches, the first of them $PWD/one ("

doing="no pseudo-terminals"
resumed "${mounting[@]}" "mount -t tmpfs tmpfs /dev" "$child_tool"
expect_status 0
expect_output "watches wd:1 wd:2
told
terminal Bad file descriptor"
expect_message "descriptor $master is closed (/dev/ptmx, no pseudo-terminal can be made here)"
expect_message "descriptor $slave is closed (/dev/pts/"

doing="what is mounted for the parent alone"
watched "${mounting[@]}" "mount -t tmpfs tmpfs '$PWD/one'"
resumed "$child_tool"
expect_status 0
expect_output "watches wd:2
told
terminal b'up\\r\\n'"
expect_message "descriptor $watching has lost 1 of 2 watches, the first of them $PWD/one ("
expect_message "its namespaces are others (mnt"
# Where the parent is, it is there.
resumed nsenter -t "$parent" -m "$child_tool"
expect_status 0
expect_output "$all"
no_line child.err 'descriptor' || fail "something is lost"

doing="another root directory"
cat >cell.sh <<'END'
for each in /*; do
	if [ -L "$each" ]; then
		cp -P "$each" cell/
	elif [ -d "$each" ]; then
		mkdir "cell$each" && mount --rbind "$each" "cell$each" || exit 99
	fi
done
END
watched "${mounting[@]}" ". ./cell.sh" chroot cell env -C "$PWD"
resumed nsenter -t "$parent" -m "$child_tool"
expect_status 0
expect_output "$all"
no_line child.err 'descriptor' || fail "something is lost"
doing="another root directory, from outside"
resumed "$child_tool"
expect_status 0
expect_output "$all"
expect_message "it is not confined to its parent's root directory (chroot); its namespaces are others (mnt)"
no_line child.err 'descriptor' || fail "something is lost"
end_parent
[ "$status" = 0 ] || fail "the parent: $(cat parent.err)"
said parent.out "^terminal b'up"
