#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# dead-leader.sh - a process whose first thread has ended, of which the kernel tells nothing any more: its files, memory and
# settings are those of the others.
. "$(dirname "$0")/../lib.sh"
need_python

cat >program.py <<'END'
import ctypes, mmap, os, threading, time

exit_thread = {"x86_64": 60, "aarch64": 93}[os.uname().machine]
with open("data", "w") as f:
    f.write("0123456789")
file = os.open("data", os.O_RDONLY)
os.lseek(file, 5, os.SEEK_SET)
reader, writer = os.pipe()
os.write(writer, b"in the pipe")
memory = os.memfd_create("mapped")
os.truncate(memory, 4096)
shared = mmap.mmap(memory, 4096)
os.close(memory)
shared[:6] = b"shared"


def leader_has_ended():
    with open(f"/proc/{os.getpid()}/stat") as f:
        return f.read().rpartition(") ")[2][0] == "Z"


def work():
    while not leader_has_ended():
        time.sleep(0.01)
    os.write(1, b"ready\n")
    while os.path.exists("hold"):
        time.sleep(0.01)
        if os.path.exists("move"):
            os.lseek(file, 9, os.SEEK_SET)
            os.read(reader, 100)
            shared[:6] = b"moved "
            os.write(1, b"moved\n")
            while True:
                time.sleep(1)
    os.write(1, f"{os.read(file, 3)} {os.read(reader, 100)} {shared[:6]}\n".encode())
    os._exit(7)


threading.Thread(target=work).start()
# The call is made without the interpreter's lock.
ctypes.CDLL(None).syscall(exit_thread, 0)
END
# With other threads than the first, which is a zombie.
lives() { [ "$(find "/proc/$parent/task" -mindepth 1 -maxdepth 1 | wc -l)" -gt 1 ]; }
touch hold
launch_parent /dev/null "$python" program.py
await 20000 has_line parent.out '^ready$'
status=0
"$parent_tool" --pid "$parent" >reference.out 2>reference.log || status=$?
if [ "$status" = 1 ] && grep -q 'before Linux 6.9' reference.log; then
	lives || fail "it has ended"
	skip "$(cat reference.log)"
fi
[ "$status" = 0 ] || fail "$(cat reference.log)"
await_reference reference.out
touch move
await 10000 has_line parent.out '^moved$'
rm move hold
for options in "--mode eager" "--mode demand" "--tids new"; do
	doing=$options
	# shellcheck disable=SC2086
	run_child 20000 $options "$ref"
	expect_status 7
	expect_output "b'567' b'in the pipe' b'shared'"
done
lives || fail "the parent has ended"
