#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# The tools that are scripts find their own parts, in a build directory anywhere and where they are
# installed, and no other version's; what is installed is for everyone, whatever the umask.

# shellcheck source-path=SCRIPTDIR/.. source=lib.sh
. "$(dirname "$0")/../lib.sh"
need_python
need_command realpath
unset MITOSIS_EXP_DIR MITOSIS_LAB_DIR
source_dir=$(realpath "$tests_dir/..")
scripts="mitosis-exp mitosis-function mitosis-lab mitosis-plot"

# loads_from DIRECTORY BIN: each script of BIN, and every module of ours that it loads, is there
loads_from() {
	local tool option
	for tool in $scripts; do
		[ -x "$2/$tool" ] || fail "no $2/$tool"
		for option in --help --version; do
			expect 0 "$2/$tool" "$option"
			[ ! -s err ] || fail "$tool $option writes to standard error"
		done
		"$python" -v "$2/$tool" --version >out 2>imports || fail "$tool, by $python: $(tail -n 3 imports)"
		sed -n "s|^# code object from '\{0,1\}\(.*/mitosis-exp/.*\.py\).*|\1|p" imports | sort -u >modules
		grep -q "/\(cli\|function\|plot\)\.py$" modules || fail "$tool: none of its modules was seen: $(tail -n 3 imports)"
		! grep -v "^$1/" modules || fail "$tool: loaded from elsewhere than $1"
	done
	rm -f err
}

doing="in the build directory"
loads_from "$source_dir/share/mitosis-exp" "$bin_dir"

doing="make install"
root=$work_dir/root
(
	umask 077
	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u TESTS make -s -C "$build_dir" install install-dkms \
		DESTDIR="$root" >install.log 2>&1
) || fail "$(tail -n 20 install.log)"
installed=$(find "$root" -type f -name mitosis-lab -perm -u=x -printf '%h')
[ -n "$installed" ] || fail "no mitosis-lab"
# Moved as a whole.
loads_from "$(dirname "$(find "$root" -path '*/mitosis-exp/exp')")" "$installed"
closed=$(find "$root" -mindepth 1 \( -type d ! -perm 755 -o -type f ! -perm 644 ! -perm 755 \) -printf '%M %P\n')
[ -z "$closed" ] || fail "not for everyone: $closed"
closed=$(find "$installed" -type f ! -perm 755 -printf '%M %P\n')
[ -z "$closed" ] || fail "not to be executed: $closed"

doing="without the modules of this version"
mv "$(find "$root" -path '*/share/mitosis-exp' -not -path '*/doc/*')" away || broken "mv"
for tool in $scripts; do
	expect 1 "$installed/$tool" --version
	said err "^$tool: .*/share/mitosis-exp/.*: not found$"
done
for tool in mitosis-exp mitosis-lab; do
	expect 1 env MITOSIS_EXP_DIR=/nonexistent MITOSIS_LAB_DIR=/nonexistent "$bin_dir/$tool" --version
	said err "^$tool: /nonexistent.*: not found$"
done
rm -f err
exit 0
