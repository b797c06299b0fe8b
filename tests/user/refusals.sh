#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# refusals.sh - what cannot work is refused, with the exact reason.
. "$(dirname "$0")/../lib.sh"
need_python

# refused MESSAGE SETTING...
refused() {
	local message=$1 setting options=()
	shift
	doing="$*"
	for setting; do
		options+=(--set "$setting")
	done
	start_proxy "${options[@]}"
	run_child 2000 "$proxy_ref"
	end_proxy
	expect_status 125
	expect_message "mitosis-child: 127.0.0.1:$proxy_port: $message"
	[ "$(wc -l <child.err)" = 1 ] || fail "more than one message"
	[ ! -s child.out ] || fail "it ran"
}

start_parent "$state_tool" data
refused "malformed descriptor: not a descriptor" magic=1
refused "malformed descriptor: another version of the descriptor format" major=99
refused "malformed descriptor: wrong length" length=5000
refused "the parent's pages are 16384 bytes, this host's 4096" page_size=16384
refused "the parent's address space ends at 0x100000000000000, this host's at 0x7ffffffff000" \
	user_end=0x100000000000000
refused "this kernel's vDSO differs from the parent's: both need the same kernel build" vdso_hash=1
refused "malformed descriptor: its vDSO is malformed" vdso_image_length=0x7fffffff
refused "malformed descriptor: an address is out of range" child_state=8
refused "malformed descriptor: wrong number of hot pages" hot_pages=1
refused "malformed descriptor: extents and areas do not agree" pages=7
refused "malformed descriptor: a table does not fit" vmas=0xffffffff
refused "malformed descriptor: no memory areas" vmas+4=0
# All bits of the first word of CPUID: the first feature that is not here is named.
doing=cpu
start_proxy --set cpu.words+0=0xffffffff --set cpu.words+8=0xffffffff --set cpu.words+12=0xffffffff
run_child 2000 "$proxy_ref"
end_proxy
expect_status 125
grep -Eq "^mitosis-child: 127.0.0.1:$proxy_port: this processor lacks [a-z0-9_]+, which the parent's has$" child.err ||
	fail "$(cat child.err)"
refused "this processor lacks " cpu.xcr0=0x4000000000000000
refused "this processor saves its registers in another layout than the parent's" cpu.xsave_layout=1
doing=

# Wrong capability.
run_child 2000 "${ref%/*}/00000000-0000-4000-8000-000000000000"
expect_status 125
expect_message "mitosis-child: 127.0.0.1:$port: refused: no such snapshot here"
# No reference at all.
for bad in mitosis:// mitosis://127.0.0.1 mitosis://127.0.0.1:1/x http://a/b "mitosis://127.0.0.1:$port/${ref##*/}x"; do
	doing=$bad
	run_child 2000 "$bad"
	[ "$status" = 2 ] || fail "exit status $status"
	expect_message "mitosis-child: not a reference: expected mitosis://HOST:PORT/UUID"
done
doing=
# No descriptors are left. What the library has no text for is said, too.
for limit in 4 5 6 7; do
	doing="$limit descriptors"
	status=0
	bash -c 'ulimit -n "$1" && shift && exec "$@"' - "$limit" "$child_tool" --quiet "$ref" >child.out 2>child.err </dev/null ||
		status=$?
	expect_status 125
	[ "$(grep -c '^mitosis-child: ' child.err)" = 1 ] || fail "not one message: $(cat child.err)"
done
doing="a parent without descriptors"
"$parent_tool" --after 200 --interval 20ms >limited.out 2>limited.err &
limited=$!
pids+=("$limited")
await 10000 has_line limited.out '^tick 1$'
kill -STOP "$limited" && prlimit --pid "$limited" --nofile=3:3 && kill -CONT "$limited" || fail "prlimit"
status=0
wait "$limited" || status=$?
[ "$status" = 1 ] || fail "status $status"
[ "$(<limited.err)" = "mitosis-parent: prepare: Too many open files" ] || fail "$(<limited.err)"
doing=
# The other protocol version, to the shadow itself.
"$python" - "$port" "${ref##*/}" >hello.out 2>hello.err <<'END' || fail "hello"
import socket, struct, sys, uuid
def hello(magic, major, purpose, key):
    s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    s.sendall(struct.pack("<HHIQII", 1, 0, 32, 0, 0, 0) + struct.pack("<QHHI", magic, major, 0, purpose) + key)
    data = b""
    while True:
        piece = s.recv(4096)
        if not piece:
            return data[24:].decode()
        data += piece
magic, key = 0x314f4854494d4d4d, uuid.UUID(sys.argv[2]).bytes
assert hello(magic, 2, 1, key) == "protocol version not supported: this side speaks version 1"
assert hello(magic + 1, 1, 1, key) == "not a mitosis client"
assert hello(magic, 1, 9, key) == "unknown purpose"
assert hello(magic, 1, 1, bytes(16)) == "no such snapshot here"
END
run_child 5000 "$ref"
expect_status 0

# Nobody listens there.
end_parent
run_child 2000 "$ref"
expect_status 125
expect_message "mitosis-child: 127.0.0.1:$port: cannot connect: Connection refused"
# Memory that is shared with another process cannot be frozen.
start_parent "$helper_tool" shared
run_child 2000 "$ref"
expect_status 125
expect_message "the parent has shared writable memory at 0x"
expect_message "(/dev/zero (deleted)), which a snapshot cannot freeze: process "
start_parent "$helper_tool" viewed
run_child 2000 "$ref"
expect_status 125
expect_message "(/memfd:viewed (deleted)), which a snapshot cannot freeze: process "
# No memory for the snapshot's description. Nothing of the parent's stays open: who reads from it sees its end.
limited='ulimit -v 120000; exec "$@"'
doing="a limit of the address space"
drop=()
if [ "$(id -u)" = 0 ]; then
	drop=(setpriv --bounding-set -sys_resource --inh-caps -sys_resource)
fi
mkfifo pipe
cat pipe >parent.pipe &
reader=$!
pids+=("$reader")
start_parent "${drop[@]}" bash -c "exec 5>pipe; $limited" bash "$state_tool" data
run_child 5000 "$ref"
expect_status 125
expect_message "refused: the parent's host has no memory to describe it"
forget_parent
await 5000 gone "$reader"
# A soft limit is not in the way.
start_parent bash -c "${limited/-v/-S -v}" bash "$state_tool" data
run_child 5000 "$ref"
expect_status 0
expect_output "ok data"
doing=
# A descriptor that cannot be had, with --strict.
start_parent "$state_tool" descriptors
run_child 2000 --strict "$ref"
expect_status 125
expect_message "refused, since the child would not be what its parent is: descriptor "
