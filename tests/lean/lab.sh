#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# The tests of lean containers on other kernels, with the cgroup controllers that this host may lack.
# KERNELS names other kernels than the oldest that the lab can boot; kernel.sh takes the newest.
# shellcheck source-path=SCRIPTDIR source=../lab/lab.sh
. "$(dirname "$0")/../lab/lab.sh"

need_lab
kernels=${KERNELS:-$(lab kernels 2>/dev/null | awk -F '\t' '/^[0-9]/ { print $1 }' | sort -V | head -n 1)}
[ -n "$kernels" ] || skip "no kernel that a lab can boot"
for version in $kernels; do
	doing=$version
	lab_up --no-rdma -n 1 --smp 2 --kernel "$version"
	for part in limits escape; do
		doing="$version, $part"
		expect 0 lab exec --timeout 280 node1 -- env MITOSIS_BUILDDIR="$build_dir" TMPDIR=/run MITOSIS_NOSKIP=1 \
			bash "$(realpath "$tests_dir")/lean/$part.sh"
	done
	doing=$version
	expect 0 lab exec node1 dmesg
	! grep -E 'BUG|WARNING|possible recursive|circular locking' out || fail "the kernel complains"
	expect 0 lab down
done
exit 0
