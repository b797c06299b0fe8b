#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# exec-timeout.sh - a child that became another program waits for no page: silence of the parent's host is no matter.
. "$(dirname "$0")/../lib.sh"
[ -x "$python" ] || skip "no python3"
"$helper_tool" uffd || skip "no userfaultfd for this user"

cat >becomes.py <<'END'
import os, sys
sys.path.insert(0, os.environ["PYTHON_MODULE"])
import mitosis
ballast = bytearray(os.urandom(1 << 20)) * 64
reference = mitosis.prepare()
if reference:
    print(reference, flush=True)
    sys.stdin.read()
    sys.exit(0)
# While pages of it are on their way.
os.execl("/bin/sh", "sh", "-c", "sleep 2; echo became another program")
END
export PYTHON_MODULE=$tests_dir/../share/mitosis-exp/python
start_parent "$python" becomes.py
for try in 1 2 3; do
	doing="try $try"
	run_child 20000 --mode demand --timeout 500ms "$ref"
	expect_status 0
	expect_silence
	[ "$(tail -n 1 child.out)" = "became another program" ] || fail "$(cat child.out)"
done
