# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# shellcheck shell=bash
# lean.sh - what the tests of lean containers share. A test's templates are its own, and end with it.

# shellcheck source-path=SCRIPTDIR/.. source=lib.sh
. "$(dirname "$0")/../lib.sh"

prep=$bin_dir/mitosis-leanprep
# shellcheck disable=SC2034 # used by the tests
run=$bin_dir/mitosis-leanrun helper=$build_dir/tests/lean/escape stamp=$build_dir/tests/lean/stamp
export MITOSIS_LEAN_DIR=$work_dir/lean
cleanups+=(remove_templates)
# A test that failed may have left containers: they end with what runs them.
remove_templates() {
	local environment pid
	for environment in /proc/[0-9]*/environ; do
		pid=${environment#/proc/}
		pid=${pid%/environ}
		if [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = mitosis-leanrun ] &&
			grep -qzx "MITOSIS_LEAN_DIR=$MITOSIS_LEAN_DIR" "$environment" 2>/dev/null; then
			kill -KILL "$pid" 2>/dev/null
		fi
	done
	for ((i = 0; i < 100; i++)); do
		"$prep" clean --all --quiet 2>/dev/null && return
		sleep 0.1
	done
}
# Other users may enter it; what it holds decides.
chmod 755 "$work_dir"

# prints TEXT: the whole of out
prints() { [ "$(<out)" = "$1" ] || fail "it printed '$(<out)', not '$1'"; }

# Containers need namespaces, which a test in a container may not have.
need_lean() {
	if [ "$(id -u)" = 0 ]; then
		need_namespaces -pmui
	else
		need_namespaces -Urm
	fi
}
need_cgroup() { "$prep" inspect "$1" | grep -q '^group	/' || skip "there is no cgroup v2 here"; }
# A template whose limits can be in force
has_controllers() {
	local root
	root=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)
	[ -n "$root" ] && grep -qw memory "$root/cgroup.controllers" && grep -qw pids "$root/cgroup.controllers" &&
		grep -qw cpuset "$root/cgroup.controllers"
}

# column FILE NAME: the values of a column
column() {
	awk -F '\t' -v name="$2" '/^#/ { next }
		!h { for (i = 1; i <= NF; i++) if ($i == name) h = i; next } { print $h }' "$1"
}
