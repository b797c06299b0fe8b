#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# descriptor.sh - mutated descriptors, made from real ones and from a sample, under sanitizers.
. "$(dirname "$0")/../lib.sh"

inputs=()
if [ -n "$python" ]; then
	for state in data files stripes memfd inotify ptys plain-sockets; do
		start_parent "$state_tool" "$state"
		"$python" - "$port" "${ref##*/}" "$state.bin" 2>python.err <<'END' || fail "cannot fetch a descriptor"
import socket, struct, sys, uuid
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.sendall(struct.pack("<HHIQII", 1, 0, 32, 0, 0, 0) +
          struct.pack("<QHHI", 0x314f4854494d4d4d, 1, 0, 1) + uuid.UUID(sys.argv[2]).bytes)
f = s.makefile("rb")
_, _, length, _, _, _ = struct.unpack("<HHIQII", f.read(24))
open(sys.argv[3], "wb").write(f.read(length))
END
		inputs+=("$work_dir/$state.bin")
	done
fi
"$build_dir/tests/fuzz/fuzz-descriptor" ${inputs[0]:+"${inputs[@]}"} 2>fuzz.err || fail "status $?"
