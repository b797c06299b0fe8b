#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# The tarball has every file; packages for Debian and RPM are built from it, hold the same files and
# one version; lintian has no error and no warning.

# shellcheck source-path=SCRIPTDIR source=packages.sh
. "$(dirname "$0")/packages.sh"

[ ! -e "$source_dir/.git" ] || need_command git
doing="make dist"
make_debs
if [ -e "$source_dir/.git" ]; then
	git -c 'safe.directory=*' -C "$source_dir" ls-files >tracked 2>err && [ -s tracked ] || fail "git ls-files"
	tar -tJf "$tarball" | sed 's|^[^/]*/||' | sort >packed
	lacking=$(grep -v -x -e '.gitignore' -e '\.ci/.*' tracked | sort | comm -23 - packed)
	[ -z "$lacking" ] || fail "not in the tarball (EXTRA_DIST): $lacking"
fi
doing="permissions"
# The tarball's owner is a number, so that it is the same wherever it is made.
tar --numeric-owner -tvJf "$tarball" | awk '$1 !~ /^(drwxr-xr-x|-rw[x-]r-[x-]r-[x-]|l.*)$/ || $2 != "0/0"' >closed
for package in "$packages"/deb/*.deb; do
	dpkg-deb -c "$package" | awk '$1 !~ /^(drwxr-xr-x|-rw[x-]r-[x-]r-[x-]|l.*)$/ || $2 != "root/root"'
	dpkg-deb --ctrl-tarfile "$package" | tar -tv | awk '$1 !~ /^(drwxr-xr-x|-rw[x-]r-[x-]r-[x-])$/'
done >>closed
tar -tvJf "$packages"/deb/mitosis-exp_*.tar.xz | awk '$1 !~ /^(drwxr-xr-x|-rw[x-]r-[x-]r-[x-]|l.*)$/' >>closed
[ ! -s closed ] || fail "$(head -n 20 closed)"
closed=$(find "$packages/deb" ! -perm -a=r)
[ -z "$closed" ] || fail "not for everyone: $closed"
doing=lintian
need_command lintian
lintian --allow-root --pedantic --fail-on error,warning "$packages"/deb/*.changes >out 2>&1 || fail "$(cat out)"
doing="the licence of each file in the tarball"
mkdir unpacked
tar -xJf "$tarball" -C unpacked --strip-components 1
"$scripts/check-copyright" unpacked >out 2>&1 || fail "$(head -n 20 out)"
doing="README.Debian tells of what is suggested"
for package in $(dpkg-deb -f "$packages"/deb/mitosis-exp_*.deb Suggests | tr -d ,); do
	grep -Eq "(^|[ ,])$package([ ,]|\$)" "$source_dir/debian/mitosis-exp.README.Debian" || fail "$package is not there"
done

doing=versions
version=${tarball##*/mitosis-exp-}
version=${version%.tar.xz}
for package in "$packages"/deb/*.deb; do
	[ "$(dpkg-deb -f "$package" Version)" = "$version" ] || fail "$package: $(dpkg-deb -f "$package" Version)"
done
dpkg-deb -x "$packages"/deb/mitosis-dkms_*.deb dkms
grep -qx "PACKAGE_VERSION=\"$version\"" "dkms/usr/src/mitosis-$version/dkms.conf" || fail "dkms.conf"
for kernel in /lib/modules/*/build; do
	[ -e "$kernel/Makefile" ] || continue
	doing="the module, from what DKMS gets, with $kernel"
	make -s -C "dkms/usr/src/mitosis-$version" KDIR="$kernel" >make.log 2>&1 || fail "$(tail -n 20 make.log)"
	[ "$(modinfo -F version "dkms/usr/src/mitosis-$version/mitosis.ko")" = "$version" ] || fail "modinfo's version"
	break
done

doing=rpm
make_rpms
[ "$(rpm -qp --qf '%{VERSION}\n' "$packages"/rpm/*.rpm | sort -u)" = "$version" ] || fail "the version of a package"
doing="links between pages"
mkdir -p pages/deb pages/rpm
dpkg-deb -x "$packages"/deb/mitosis-exp_*.deb pages/deb
(cd pages/rpm && rpm2cpio "$packages"/rpm/mitosis-exp-"$version"-*.x86_64.rpm | cpio -idm --quiet) || fail "rpm2cpio"
for kind in deb rpm; do
	at=pages/$kind/usr/share/doc/mitosis-exp
	[ -s $at/README.md ] || fail "$kind: no README.md: $(ls $at)"
	grep -roE '\]\([^)#:]+\)' --include='*.md' $at | sed 's/:\](\(.*\))$/ \1/' >links
	[ "$(wc -l <links)" -gt 10 ] || fail "$kind: no links"
	while read -r page target; do
		[ -e "$(dirname "$page")/$target" ] || fail "$kind: ${page#"$at/"}: $target is not there"
	done <links
done
doing="the same files"
"$scripts/compare-packages" "$packages/deb" "$packages/rpm" >out 2>&1 || fail "$(cat out)"
exit 0
