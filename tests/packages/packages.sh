# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# shellcheck shell=bash
# packages.sh - what the tests of packages share: the tarball and the packages, made once for all of
# them and again when the sources have changed.

# shellcheck source-path=SCRIPTDIR/.. source=lib.sh
. "$(dirname "$0")/../lib.sh"

source_dir=$(cd "$tests_dir/.." && pwd)
scripts=$source_dir/packaging
packages=$build_dir/packages

# build_make TARGET...: the build directory's make, and not one with the flags of "make check"
build_make() {
	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u TESTS -u MITOSIS_BUILDDIR -u MITOSIS_LIBRARY \
		make -s -C "$build_dir" "$@" >make.log 2>&1 || {
		tail -n 40 make.log >&2
		fail "make $*"
	}
}

# Whoever makes packages may let nobody see his files: packages are for everyone nevertheless.
umask 077

# The tarball, of the sources as they are, in $tarball: one for the whole test.
tarball=
make_tarball() {
	local version
	[ -z "$tarball" ] || return 0
	version=$(sed -n 's/^AC_INIT(\[[^]]*\], *\[\([^]]*\)\].*/\1/p' "$source_dir/configure.ac")
	tarball=$build_dir/mitosis-exp-$version.tar.xz
	mkdir -p "$packages" || broken "cannot make $packages"
	exec {lock}>"$packages/lock"
	flock -w 1200 "$lock" || broken "$packages/lock is held by another test"
	build_make dist-xz
}

# made KIND COMMAND...: unless it was made of just this tarball, with COMMAND
made() {
	local kind=$1 sum
	shift
	sum=$(sha256sum <"$tarball")
	[ "$(cat "$packages/$kind.made" 2>/dev/null)" != "$sum" ] || return 0
	status=0
	"$@" 2>made.err || status=$?
	[ "$status" != 77 ] || skip "$(tail -n 1 made.err)"
	[ "$status" = 0 ] || fail "$kind: status $status"
	echo "$sum" >"$packages/$kind.made"
}

# Tests run where packages are built have run here already.
make_debs() {
	need_command dpkg-buildpackage
	need_command dh_dkms
	make_tarball
	DEB_BUILD_OPTIONS=nocheck made deb "$scripts/build-deb" "$tarball" "$packages/deb"
}
make_rpms() {
	need_command rpmbuild
	make_tarball
	made rpm "$scripts/build-rpm" "$tarball" "$packages/rpm" --nocheck
}
