#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# callers.sh - what the caller of mitosis-child has open is not the child's, whatever its number.
. "$(dirname "$0")/../lib.sh"
[ -x "$python" ] || skip "no python3"

cat >listing.py <<'END'
import os, sys
sys.path.insert(0, os.environ["PYTHON_MODULE"])
import mitosis
reference = mitosis.prepare()
if reference:
    print(reference, flush=True)
    sys.stdin.read()
    sys.exit(0)
names = {}
for number in map(int, os.listdir("/proc/self/fd")):
    try:
        names[number] = os.readlink(f"/proc/self/fd/{number}")
    except OSError:
        pass
print("secrets:", *(number for number, name in sorted(names.items()) if name.endswith("/secret")), flush=True)
END
export PYTHON_MODULE=$tests_dir/../share/mitosis-exp/python
: >secret
start_parent "$python" listing.py
for mode in eager demand; do
	[ "$mode" = eager ] || "$helper_tool" uffd || continue
	for numbers in 5 63 64 65 70 500 "64 65 66 67 68 69 90" "3 4 64 100 101 102 103 1000"; do
		doing="$mode, the caller has $numbers open"
		(
			for number in $numbers; do
				eval "exec $number<secret"
			done
			run_child 20000 --mode "$mode" "$ref"
			expect_status 0
			[ "$(tail -n 1 child.out)" = "secrets:" ] || fail "$(cat child.out child.err)"
		) || exit
	done
done
