#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# What a lab needs and this host lacks is told at once, with one command that installs it; no remedy names
# a package that nobody offers or a module that is not there.

# shellcheck source-path=SCRIPTDIR source=lab.sh
. "$(dirname "$0")/lab.sh"
need_python
check=$bin_dir/mitosis-check

# cell ITEM N
cell() { awk -F '\t' -v item="$1" -v n="$2" '$1 == item { print $n }' out; }

doing="as this host is"
status=0
"$check" >out 2>err || status=$?
[ "$status" = 0 ] || [ "$status" = 77 ] || fail "status $status"
cut -f 4 out >remedies
for module in $(grep -o 'modprobe [a-z_0-9]*' remedies | cut -d ' ' -f 2); do
	modinfo -n "$module" >/dev/null 2>&1 || fail "modprobe $module, which this kernel has not: $(cat remedies)"
done
if command -v apt-cache >/dev/null && compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null; then
	for package in $(sed -n 's/.*apt-get install \([a-z0-9 .+-]*\).*/\1/p' remedies); do
		apt-cache show "$package" >/dev/null 2>&1 || fail "no repository has $package: $(cat remedies)"
	done
fi
status=0
"$check" lab >out 2>err || status=$?
case $(cell lab 2) in
no) [ "$status" = 77 ] || fail "no lab, and the status is $status" ;;
*) [ "$status" = 0 ] || fail "a lab can run, and the status is $status" ;;
esac
[ "$(cut -f 1 out | tail -n +3 | tr '\n' ' ')" = \
	"kvm lab-qemu lab-busybox lab-tools lab-kernel lab-modules lab-trouble lab-network lab " ] || fail "$(cat out)"
expect "$status" "$check" --quiet lab
[ ! -s out ] || fail "--quiet prints"
expect 2 "$check" nothing-of-this-name
said err 'nothing-of-this-name: no such section'

# A host without these, on which apt's lists have all but what $hidden names.
mkdir path
for dir in /sbin /usr/sbin /bin /usr/bin /usr/local/bin; do
	ln -sf "$dir"/* path/
done
rm -f path/qemu-system-x86_64 path/busybox path/apt-cache path/apt-get
cat >path/apt-cache <<'END'
#!/bin/sh
for word; do
	case " show --no-all-versions $hidden " in
	*" $word "*) ;;
	*) printf 'Package: %s\nVersion: 1\n\n' "$word" ;;
	esac
done
END
printf '#!/bin/sh\nexit 1\n' >path/apt-get
chmod +x path/apt-cache path/apt-get
PATH=$work_dir/path command -v qemu-system-x86_64 busybox >/dev/null && skip "qemu or busybox is in a directory of administration"
nowhere() { PATH=$work_dir/path "$@"; }
export hidden=

doing="two things missing"
expect 77 nowhere lab run -- true
said err 'qemu-system-x86_64 is missing (Debian package: qemu-system-x86); .*busybox is missing (Debian package: busybox-static)'
[ "$(wc -l <err)" = 1 ] || fail "more than one line: $(cat err)"
expect 77 nowhere lab check
[ "$(cell lab-qemu 2) $(cell lab-qemu 4) $(cell lab-busybox 4)" = "no qemu-system-x86 busybox-static" ] || fail "$(cat out)"
expect 77 nowhere lab check --json
said out '{"item": "lab-qemu", "state": "no", .*"packages": "qemu-system-x86"}'
expect 77 nowhere "$check" lab
[ "$(cell lab 2)" = no ] || fail "$(cat out)"
cell lab 4 | grep -q 'apt-get install \(.* \)\?qemu-system-x86 busybox-static' || fail "no such command: $(cat out)"
[ "$(grep -c 'apt-get install' out)" = 1 ] || fail "more than one command: $(cat out)"
[ "$(cell lab-qemu 4) $(cell lab-busybox 4)" = "see lab see lab" ] || fail "$(cat out)"

doing="one that nobody offers"
hidden=qemu-system-x86
expect 77 nowhere "$check" lab
cell lab 4 | grep -q 'apt-get install .*busybox-static' || fail "$(cat out)"
cell lab 4 | grep -q 'install .*qemu-system-x86.*;' && fail "a package that is not offered: $(cat out)"
cell lab 4 | grep -q 'not offered to this host: qemu-system-x86$' || fail "$(cat out)"

doing="neither the module's package nor this kernel's headers"
if [ ! -e /sys/module/mitosis ] && ! modinfo mitosis >/dev/null 2>&1; then
	hidden="mitosis-dkms linux-headers-$(uname -r) linux-image-amd64 linux-image-generic"
	expect 77 nowhere "$check" --engine kernel rdma
	grep -e 'install .*mitosis-dkms' -e 'install .*linux-' -e 'modprobe mitosis' out && fail "$(cat out)"
	hidden=
	expect 77 nowhere "$check" --engine kernel rdma
	cell kernel-module 4 | grep -q 'apt-get install' || [ -e "/lib/modules/$(uname -r)/build" ] || fail "$(cat out)"
fi
exit 0
