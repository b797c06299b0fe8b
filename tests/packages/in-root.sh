#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# in-root: what runs in a root file system, in a chroot and in a container, and that nothing is left of it, however it
# ends. bare-test: its options.
# shellcheck source-path=SCRIPTDIR/.. source=lib.sh
. "$(dirname "$0")/../lib.sh"
need_root
need_namespaces -mp
[ -x /bin/busybox ] || skip "needs a static busybox"
packaging=$tests_dir/../packaging
in_root=$packaging/in-root

mkdir -p root/bin root/etc root/proc root/sys root/dev/pts root/dev/shm root/mnt
cp /bin/busybox root/bin || broken "cp"
for name in sh env cat sleep hostname umount touch chroot grep; do ln -s busybox "root/bin/$name"; done
mkdir root/usr && ln -s ../bin root/usr/bin
mknod -m 666 root/dev/null c 1 3 || skip "no device files can be made here"

for how in "" "-c bare"; do
	doing="status, standard input, ${how:-chroot}"
	# shellcheck disable=SC2086
	expect 7 "$in_root" $how root sh -c 'exit 7'
	echo said >input
	# shellcheck disable=SC2086
	input=input expect 0 "$in_root" $how root cat
	[ "$(<out)" = said ] || fail "$(cat out)"

	doing="changes are thrown away, or kept, ${how:-chroot}"
	# shellcheck disable=SC2086
	expect 0 "$in_root" $how root touch /new
	[ ! -e root/new ] || fail "a change was kept"
	# shellcheck disable=SC2086
	expect 0 "$in_root" -k $how root touch /new
	[ -e root/new ] || fail "a change was not kept"
	rm root/new

	for signal in TERM INT HUP; do
		doing="interrupted by SIG$signal, ${how:-chroot}"
		# shellcheck disable=SC2016,SC2086 # the shell in there
		background in.out in.err env --default-signal=INT "$in_root" -k $how root \
			sh -c 'sleep 876503 & echo ready; sleep 876503; true'
		runner=$!
		pids+=("$runner")
		await 20000 has_line in.out ready
		kill -s "$signal" "$runner"
		finish "$runner" 20000
		[ "$status" = 1 ] || fail "status $status"
		! grep -qxz 876503 /proc/[0-9]*/cmdline 2>/dev/null || fail "a process is left"
		[ "$(echo root*)" = root ] || fail "left: $(echo root*)"
		[ ! -s in.err ] || fail "messages"
	done
done

doing="a container's name and root"
name=$(hostname)
expect 0 "$in_root" -c bare root hostname
[ "$(<out)" = bare ] && [ "$(hostname)" = "$name" ] || fail "it is $(<out), and here $(hostname)"
expect 0 "$in_root" -c bare root grep -c ' / / ' /proc/self/mountinfo
expect 0 "$in_root" -c bare root sh -c 'echo /mnt/*'
[ "$(<out)" = "/mnt/*" ] || fail "the old root is there: $(<out)"

doing="wrong usage of bare-test"
for wrong in --nonsense "--run --tests tests/user/brk.sh" "--tests tests/user/nonsense.sh"; do
	# shellcheck disable=SC2086
	expect 2 "$packaging/bare-test" $wrong
	said err '^bare-test: usage: '
done
exit 0
