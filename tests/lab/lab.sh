# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# shellcheck shell=bash
# lab.sh - what the tests of mitosis-lab share. A test's lab has a name of its own, and ends with it.

# shellcheck source-path=SCRIPTDIR/.. source=lib.sh
. "$(dirname "$0")/../lib.sh"

tool=$bin_dir/mitosis-lab
[ -x "$tool" ] || broken "no $tool"
export MITOSIS_LAB_DIR=${MITOSIS_LAB_DIR:-$tests_dir/../share/mitosis-exp/lab}
export MITOSIS_LAB_NAME=test.$test_name.$$
# shellcheck disable=SC2034
boot=180000		# ms: an emulated guest on a busy machine

lab() {
	if [[ "$1 ${2:-}" == "exec --timeout" && $3 =~ ^[0-9]+$ ]]; then
		set -- exec --timeout $(($3 * patience)) "${@:4}"
	fi
	timeout -k 10 $((600 * patience)) "$tool" "$@"
}

lab_down() { "$tool" down >/dev/null 2>&1; }

# lab_up OPTION...: a lab for the whole test; a host that cannot have one skips it
lab_up() {
	status=0
	# A kernel with KASAN on a busy machine takes minutes.
	lab up --boot-timeout 500s "$@" 2>up.err || status=$?
	[ "$status" != 77 ] || skip "$(tail -n 1 up.err)"
	[ "$status" = 0 ] || fail "mitosis-lab up: status $status"
	cleanups+=(lab_down)
}

node_pids() { lab status --name "${1:-$MITOSIS_LAB_NAME}" | awk -F '\t' '$2 ~ /^node[0-9]/ { print $12 }'; }

# No process, no socket: NAME PID...
nothing_left() {
	local name=$1 pid
	shift
	for pid; do
		gone "$pid" || return 1
	done
	! grep -q "@mitosis-lab/.*/$name\$" /proc/net/unix
}
