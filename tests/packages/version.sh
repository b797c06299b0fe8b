#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# One version: what states another one is named, and the first step of a release changes all of them.

# shellcheck source-path=SCRIPTDIR source=packages.sh
. "$(dirname "$0")/packages.sh"

"$scripts/check-version" "$build_dir" >out 2>&1 || fail "$(cat out)"

mkdir tree
for file in configure.ac NEWS.md debian packaging rpm; do
	cp -r "$source_dir/$file" tree || broken "cp"
done
chmod -R u+w tree
mkdir -p other/bin other/rpm other/kmod other/lib/api
printf '#!/bin/sh\necho "mitosis-old (mitosis-exp 0.0.1)"\n' >other/bin/mitosis-old
chmod 755 other/bin/mitosis-old
echo 'Version:        0.0.1' >other/rpm/mitosis-exp.spec
echo 'PACKAGE_VERSION="0.0.1"' >other/kmod/dkms.conf
echo 'Version: 0.0.1' >other/lib/api/libmitosis.pc
! tree/packaging/check-version other >out 2>&1 || fail "files of another version pass"
for what in rpm/mitosis-exp.spec kmod/dkms.conf lib/api/libmitosis.pc 'mitosis-old --version'; do
	grep -qF "$what: version 0.0.1" out || fail "$what is not named: $(cat out)"
done

sed -i '1s/(.*)/(0.0.2)/' tree/debian/changelog
! tree/packaging/check-version >out 2>&1 || fail "another debian/changelog passes"
grep -q '^check-version: debian/changelog: version 0.0.2' out || fail "$(cat out)"
cp "$source_dir/debian/changelog" tree/debian
sed -i 's/^## .*/## 0.0.3/' tree/NEWS.md
! tree/packaging/check-version >out 2>&1 || fail "another NEWS.md passes"
grep -q '^check-version: NEWS.md: version 0.0.3' out || fail "$(cat out)"
cp "$source_dir/NEWS.md" tree

doing="one Python"
for wrong in ' python3 (>= 3.9),' ' python3,' ''; do
	sed "s/^ python3 (>= .*/$wrong/" "$source_dir/debian/control" >tree/debian/control
	! tree/packaging/check-version >out 2>&1 || fail "'$wrong' in debian/control passes"
	grep -q '^check-version: debian/control: Python ' out || fail "$(cat out)"
done
cp "$source_dir/debian/control" tree/debian
printf 'BuildRequires: python3-devel\nRequires: python3 >= 3.9\n' >>other/rpm/mitosis-exp.spec
! tree/packaging/check-version other >out 2>&1 || fail "another Python in the spec passes"
grep -q '^check-version: rpm/mitosis-exp.spec: Python ' out || fail "$(cat out)"
doing=

tree/packaging/set-version 77.1 2>err || fail "set-version"
tree/packaging/check-version >out 2>&1 || fail "after set-version: $(cat out)"
grep -q '^AC_INIT(\[mitosis-exp\], \[77.1\])' tree/configure.ac || fail "configure.ac: $(grep AC_INIT tree/configure.ac)"
tree/packaging/spec >spec || fail "spec"
grep -qx 'Version: *77.1' spec || fail "the spec's version"
grep -Eq '^\* [A-Z][a-z]{2} [A-Z][a-z]{2} [0-9]{2} 20[0-9]{2} .* - 77.1-1$' spec || fail "the spec's changelog: $(tail -n 8 spec)"
! tree/packaging/set-version 77.1 2>err || fail "the same version again"
: >err
for wrong in '' 1.x '1.0 2' '../1'; do
	status=0
	tree/packaging/set-version "$wrong" 2>/dev/null || status=$?
	[ "$status" = 2 ] || fail "set-version '$wrong': status $status"
done
exit 0
