#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# mitosis-check: one record per item, verdicts that agree with what can be done here, and the same
# for a user without privileges.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
check=$bin_dir/mitosis-check

state_of() { awk -F '\t' -v item="$1" '$1 == item { print $2 }' out; }

status=0
"$check" >out 2>err || status=$?
[ "$status" = 0 ] || [ "$status" = 77 ] || fail "status $status"
[ ! -s err ] || fail "messages"
grep -v '^#' out | awk -F '\t' 'NF != 4 || (NR > 1 && $2 !~ /^(ok|limited|no)$/) { exit 1 }' ||
	fail "malformed: $(cat out)"
[ "$(cut -f 1 out | sort | uniq -d)" = "" ] || fail "an item comes twice"
case $(state_of engine-user) in
no) [ "$status" = 77 ] || fail "engine user cannot run, and the status is $status" ;;
*) [ "$status" = 0 ] || fail "engine user can run, and the status is $status" ;;
esac
if "$helper_tool" uffd >/dev/null; then
	[ "$(state_of userfaultfd)" = ok ] || fail "userfaultfd works, and is said not to"
else
	[ "$(state_of userfaultfd)" = no ] || fail "userfaultfd does not work, and is said to"
fi
status=0
"$check" --quiet --engine kernel >silent || status=$?
[ ! -s silent ] || fail "--quiet prints"
if [ "$(state_of engine-kernel)" = ok ]; then expected=0; else expected=77; fi
[ "$status" = "$expected" ] || fail "engine kernel: status $status"
# What DKMS needs is named, if it is not there.
if [ ! -c /dev/mitosis ] && [ "$(state_of kernel-module)" = no ] && [ ! -e "/lib/modules/$(uname -r)/build" ] &&
	[ -e /etc/debian_version ] && ! modinfo mitosis >/dev/null 2>&1; then
	awk -F '\t' '$1 == "kernel-module" { print $4 }' out | grep -q -e "linux-headers-$(uname -r)" -e linux-image ||
		fail "the remedy does not name a package: $(cat out)"
fi
[ "$("$check" --json | grep -c '^{"item":')" = "$(grep -vc -e '^#' -e '^item' out)" ] || fail "JSON has another number of records"
for wrong in "--engine steam" argument; do
	status=0
	# shellcheck disable=SC2086
	"$check" $wrong >silent 2>err || status=$?
	[ "$status" = 2 ] || fail "$wrong: status $status"
done
: >err

# What is said of tracing and numbers is what happens: where ptrace(2) or more namespaces are forbidden.
if [ -x "$python" ]; then
	cat >without-ptrace.py <<-'END'
		import ctypes, os, struct, sys
		ptrace = {"x86_64": 101, "aarch64": 117}[os.uname().machine]
		rules = struct.pack("=" + "HBBI" * 4, 0x20, 0, 0, 0, 0x15, 0, 1, ptrace, 6, 0, 0, 0x50001, 6, 0, 0, 0x7fff0000)
		program = ctypes.create_string_buffer(rules)
		filter = ctypes.create_string_buffer(struct.pack("@HP", 4, ctypes.addressof(program)))
		libc = ctypes.CDLL(None)
		if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, filter, 0, 0):
		    sys.exit(99)
		os.execv(sys.argv[1], sys.argv[1:])
	END
	status=0
	"$python" without-ptrace.py "$check" snapshots >out 2>err || status=$?
	if [ "$status" != 99 ]; then
		for item in trace trace-undumpable trace-confined; do
			[ "$(state_of $item)" = limited ] || fail "without ptrace(2): $(cat out)"
		done
		said out '^trace	limited	none (ptrace: Operation not permitted).*	.*filter of system calls'
		sleep 1000 &
		pids+=("$!")
		status=0
		"$python" without-ptrace.py "$parent_tool" --pid "$!" >out 2>err || status=$?
		[ "$status" = 1 ] || fail "without ptrace(2): status $status"
	fi
fi
# What Yama lets a user have, by its setting: both stand in for those of a kernel that has it.
preload=$build_dir/tests/user/.libs/yama.so
[ -e "$preload" ] || broken "no tests/user/yama"
# with_scope N: what the tool says of tracing
with_scope() {
	expect 0 "${own_mounts[@]}" sh -c 'mount -t tmpfs none /proc/sys/kernel && mkdir /proc/sys/kernel/yama &&
		echo "$MITOSIS_TEST_YAMA" >/proc/sys/kernel/yama/ptrace_scope &&
		ASAN_OPTIONS=verify_asan_link_order=0 LD_PRELOAD=$0 exec "$@"' \
		"$preload" "$check" snapshots
}
own_mounts=(unshare -m)
[ -z "$(why_not -m)" ] || own_mounts=(unshare -Urm)
if "${own_mounts[@]}" true 2>/dev/null; then
	setting=kernel.yama.ptrace_scope
	export MITOSIS_TEST_YAMA
	for MITOSIS_TEST_YAMA in 0 1 2 3; do
		with_scope
		case $MITOSIS_TEST_YAMA in
		0) one="a security module" remedy='mitosis-parent -- COMMAND$' ;;
		1) one="sysctl $setting is 1" remedy="mitosis-parent -- COMMAND; or .*sysctl $setting=0\$" ;;
		2) one="root's business alone (sysctl $setting is 2): only programs with one thread" remedy="as root; or .*sysctl $setting=0\$" ;;
		3) one="none, until the host boots again (sysctl $setting is 3): only" remedy='boot without that setting$' ;;
		esac
		((MITOSIS_TEST_YAMA > 1)) || one="only what one has started oneself ($one)"
		said out "^trace	limited	$one.*	$remedy"
	done
	unset MITOSIS_TEST_YAMA
fi
if [ -z "$(why_not -U -r)" ]; then
	expect 0 unshare -Ur sh -c 'echo 0 >/proc/sys/user/max_pid_namespaces; exec "$@"' sh "$check" snapshots
	said out '^child-numbers	limited	.*user.max_pid_namespaces is 0	.*sysctl user.max_pid_namespaces='
fi
: >err

if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	setpriv --reuid 65533 --regid 65533 --clear-groups "$check" >out 2>err
	status=$?
	[ "$status" != 126 ] || exit 0		# the build directory is not open to others
	[ "$status" = 0 ] || fail "as another user: status $status"
	[ "$(state_of trace-undumpable)" = limited ] && [ "$(state_of trace-confined)" = limited ] ||
		fail "as another user: $(cat out)"
	if [ "$(state_of userfaultfd)" = no ]; then
		[ "$(state_of engine-user)" = limited ] || fail "as another user: $(cat out)"
		awk -F '\t' '$1 == "userfaultfd" && $4 ~ /^sudo / { f = 1 } END { exit !f }' out ||
			fail "no remedy: $(cat out)"
	fi
fi
exit 0
