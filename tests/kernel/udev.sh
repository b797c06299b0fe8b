#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# Who may use the devices, where a real udevd applies the rule that the packages install: root, and members of
# the group mitosis, which systemd-sysusers makes; nobody else. KERNELS names others than the newest.
# shellcheck source-path=SCRIPTDIR source=kernel.sh
. "$(dirname "$0")/kernel.sh"

need_kernels
[ -x /lib/systemd/systemd-udevd ] || skip "needs /lib/systemd/systemd-udevd (package udev)"
need_command udevadm systemd-sysusers setpriv
[ "${KERNELS:-}" ] || versions=("${versions[-1]}")
share=$(cd "$tests_dir/../share/mitosis-exp" && pwd)

# in_node1 COMMAND...: as a shell there reads it
in_node1() { lab exec --timeout $((60 * patience)) node1 "$*"; }
# device NAME: its group and mode are those of the rule
device() {
	expect 0 in_node1 "udevadm settle --timeout=30 && stat -c '%G %a' /dev/$1"
	[ "$(<out)" = "mitosis 660" ] || fail "/dev/$1 is $(<out)"
}
# opens STATUS USER-OPTIONS DEVICE
opens() { expect "$1" in_node1 "setpriv --reuid 65534 --regid 65534 $2 sh -c 'exec 3<>/dev/$3'"; }

for version in "${versions[@]}"; do
	doing=$version
	build_module "$version"
	nodes=node1
	lab_up -n 1 --kernel "$version"
	expect 0 in_node1 "systemd-sysusers '$share/sysusers/mitosis-exp.conf' && mkdir -p /run/udev/rules.d &&
		cp '$share/udev/60-mitosis-exp.rules' /run/udev/rules.d/ &&
		/lib/systemd/systemd-udevd --daemon && udevadm control --ping --timeout=30"

	doing="$version, a device that is there when udevd comes"
	expect 0 in_node1 "udevadm trigger --settle --subsystem-match=misc"
	device userfaultfd
	doing="$version, a device that comes later"
	load_module
	device mitosis
	for name in userfaultfd mitosis; do
		doing="$version, /dev/$name"
		opens 0 "--groups mitosis" $name
		opens 2 --clear-groups $name
		said err 'Permission denied'
	done
	doing="$version, the end"
	unload_module
	expect 0 in_node1 "udevadm settle --timeout=30 && test ! -e /dev/mitosis && udevadm control --exit"
	lab_down
done
exit 0
