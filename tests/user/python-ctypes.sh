#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# python-ctypes.sh - a Python program that calls the library itself.
. "$(dirname "$0")/../lib.sh"
need_python
[ -f "$MITOSIS_LIBRARY" ] || broken "no $MITOSIS_LIBRARY"

cat >own.py <<'END'
import ctypes, os, sys
lib = ctypes.CDLL(os.environ["MITOSIS_LIBRARY"], use_errno=True)
lib.mitosis_version.restype = ctypes.c_char_p
assert lib.mitosis_version().count(b".") == 2
data = {i: str(i) * 3 for i in range(50000)}
ref = ctypes.create_string_buffer(320)
ret = lib.mitosis_prepare(None, ref)
if ret == 0:
    print(ref.value.decode(), flush=True)
    data.clear()
    sys.stdin.read()
    sys.exit(0)
assert ret == 1, ret
assert all(data[i] == str(i) * 3 for i in range(50000))
assert lib.mitosis_drain() == 0
import json, subprocess
assert subprocess.check_output(["echo", json.dumps([1])]) == b"[1]\n"
print("ok")
sys.exit(5)
END
start_parent "$python" -B own.py
while read -r options; do
	doing=$options
	# shellcheck disable=SC2086
	run_child 30000 $options "$ref"
	[ "$status" = 5 ] || fail "exit status $status, not 5"
	expect_output ok
done < <(all_modes | grep -v 'window [18]')
doing=
end_parent
[ "$status" = 0 ] || fail "the parent's status is $status"
