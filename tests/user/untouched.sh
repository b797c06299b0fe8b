#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# untouched.sh - what a parent does with its memfds and deleted files it can do while there is a snapshot, too.
. "$(dirname "$0")/../lib.sh"
need_python

cat >parent.py <<'END'
import fcntl, mmap, os, sys
fd = os.memfd_create("sealed", os.MFD_ALLOW_SEALING)
os.ftruncate(fd, 1 << 20)
memory = mmap.mmap(fd, 1 << 20)
private = os.memfd_create("private")
os.ftruncate(private, 1 << 20)
its_own = mmap.mmap(private, 1 << 20, flags=mmap.MAP_PRIVATE)
leased = os.open("leased", os.O_RDWR | os.O_CREAT, 0o600)
os.write(leased, b"text")
os.unlink("leased")
fcntl.fcntl(leased, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print("ready", leased, flush=True)
sys.stdin.readline()
memory.close()
fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)
print("lease", fcntl.fcntl(leased, fcntl.F_GETLEASE) == fcntl.F_WRLCK, flush=True)
sys.stdin.readline()
END
mkfifo words
exec {words}<>words
launch_parent words "$python" parent.py
await 10000 has_line parent.out '^ready'
leased=$(sed -n 's/^ready //p' parent.out)
before=$(<"/proc/$parent/oom_score_adj")

for size in 0 64K; do
	doing="--copy $size"
	expect 1 "$parent_tool" --pid "$parent" --copy $size
	said err "it has more private memory of a memfd than may be copied (--copy)"
done
doing=
"$parent_tool" --pid "$parent" >reference.out 2>reference.err || fail "$(cat reference.err)"
await_reference reference.out
# Only while it copies the shadow is whom the kernel ends first.
inode=$(awk -v "port=:$(printf %04X "$port")\$" '$2 ~ port && $4 == "0A" { print $10 }' /proc/net/tcp)
shadow=$(find /proc/[0-9]*/fd -lname "socket:\[$inode\]" 2>/dev/null | cut -d / -f 3 | head -n 1)
[ "$(<"/proc/$shadow/oom_score_adj")" = "$before" ] ||
	fail "its oom_score_adj is $(<"/proc/$shadow/oom_score_adj")"
echo >&"$words"
await 10000 has_line parent.out '^lease'
has_line parent.out '^lease True$' || fail "the lease was broken: $(cat parent.out)"
run_child 20000 --strict "$ref"
expect_status 125
expect_message "the lease on descriptor $leased is the parent's alone"
expect_message "descriptor $leased is closed (/"

# A private mapping of what somebody else goes on writing to is the child's own, though nobody but the kernel knows it.
doing="private memory"
forget_parent
cat >private.py <<'END'
import ctypes, os, sys, time
import mitosis
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
name = "/dev/shm/mitosis-untouched-%d" % os.getpid()
fd = os.open(name, os.O_RDWR | os.O_CREAT, 0o600)
os.unlink(name)
os.write(fd, b"a" * 4096)
r, w = os.pipe()
if not os.fork():
    os.close(w)
    os.read(r, 1)
    os.pwrite(fd, b"b" * 4096, 0)
    os._exit(0)
memory = libc.mmap(None, 4096, 3, 2, fd, 0)
os.close(fd)
ref = mitosis.prepare()
if not ref:
    print(ctypes.string_at(memory, 1).decode(), flush=True)
    os._exit(0)
os.write(w, b"x")
os.wait()
print(ref, flush=True)
sys.stdin.read()
END
export PYTHONPATH=$tests_dir/../share/mitosis-exp/python PYTHONDONTWRITEBYTECODE=1
launch_parent words "$python" private.py
await_reference parent.out
run_child 20000 "$ref"
expect_status 0
expect_output a
