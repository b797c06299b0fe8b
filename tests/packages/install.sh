#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# apt install mitosis-exp, from the local repository on a bare system of the release that runs here;
# used, installed again, removed and purged, it leaves nothing.

# shellcheck source-path=SCRIPTDIR source=packages.sh
. "$(dirname "$0")/packages.sh"

need_root
need_command debootstrap
need_command apt-ftparchive
suite=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
[ -n "$suite" ] || skip "this is no Debian"
make_debs
"$scripts/apt-repo" "$packages/deb" "$packages/apt" 2>err || fail "apt-repo"
: >err
need_namespaces -mp
status=0
"$scripts/make-root" "$suite" "$packages/roots/$suite" 2>out || status=$?
[ "$status" != 77 ] || skip "$(tail -n 1 out)"
[ "$status" = 0 ] || skip "no bare $suite can be made: $(grep -v '^make-root' out | tail -n 1)"
"$scripts/install-test" "$packages/roots/$suite" "$packages/apt" >out 2>&1 || fail "$(tail -n 40 out)"
exit 0
