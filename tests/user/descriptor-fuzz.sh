#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# descriptor-fuzz.sh - what a child has of random descriptors of all kinds is what its parent had, or it is named.
#
#	SEED=17 SECONDS_MAX=600 tests/user/descriptor-fuzz.sh	# begin with that one, and go on for ten minutes
. "$(dirname "$0")/../lib.sh"
need_python

seed=${SEED:-$((RANDOM * 32768 + RANDOM))}
until=$(($(now_ms) + ${SECONDS_MAX:-20} * 1000))
seen=0
while [ "$(now_ms)" -lt "$until" ] || [ "$seen" = 0 ]; do
	threads=1
	[ $((seed % 3)) != 0 ] || threads=17
	doing="seed $seed, $threads threads"
	rm -rf fuzz && mkdir fuzz && cd fuzz || broken "mkdir"
	if [ $((seed % 2)) = 0 ]; then
		MITOSIS_TEST_BY_PID=1 start_waiting_parent "$build_dir/tests/user/descriptor-fuzz" "$seed" "$threads"
	else
		start_parent "$build_dir/tests/user/descriptor-fuzz" "$seed" "$threads"
	fi
	run_child 20000 "$ref"
	[ "$status" = 0 ] || fail "status $status: $(tail -n 3 child.err)"
	"$python" "$tests_dir/user/views.py" view child.out child.err >same 2>differs || fail "$(cat differs)"
	forget_parent
	cd .. || broken "cd"
	seed=$((seed + 1))
	seen=$((seen + 1))
done
doing=
echo "$seen seeds"
