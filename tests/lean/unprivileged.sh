#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# An unprivileged user has templates of his own, in a user namespace: the same tests, as nobody.
# shellcheck source-path=SCRIPTDIR source=lean.sh
. "$(dirname "$0")/lean.sh"
need_root
need_command setpriv
as_nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups env HOME="$work_dir/nobody" TMPDIR="$work_dir/nobody" "$@"; }
# Where a user has his templates if nothing else is said.
at_home() { as_nobody env -u MITOSIS_LEAN_DIR -u XDG_RUNTIME_DIR -u XDG_DATA_HOME "$@"; }
mkdir nobody && chown 65534:65534 nobody
reason=$(why_not -Urm -- as_nobody)
[ -z "$reason" ] || skip "$reason"
as_nobody test -x "$run" || skip "the build directory cannot be read by other users"

for part in escape rootfs measure command templates; do
	doing=$part
	status=0
	# Crashes: fewer of them, the steps are those of root's templates but for the namespace.
	as_nobody env MITOSIS_BUILDDIR="$build_dir" MITOSIS_CRASH_STEP="${MITOSIS_CRASH_STEP:-9}" bash "$tests_dir/lean/$part.sh" >out 2>err || status=$?
	[ "$status" = 0 ] || fail "$part.sh as nobody: status $status: $(tail -n 5 err)"
done

doing="a user's own place"
at_home "$prep" create t --rootfs closure:/bin/sh 2>err || fail create
[ -f nobody/.local/share/mitosis-exp/lean/t/template ] || fail "the template is not below the user's home"
[ "$(at_home "$run" t -- sh -c 'echo fine')" = fine ] || fail run
at_home "$prep" rm t || fail rm
status=0
at_home "$prep" create t --rootfs closure:/bin/sh --user 1:1 2>err || status=$?
[ "$status" = 2 ] || fail "another user than 0: status $status: $(cat err)"
status=0
# A place that others can write to is not trusted.
chmod 777 nobody/.local/share/mitosis-exp/lean
at_home "$prep" list >out 2>err || status=$?
[ "$status" = 1 ] || fail "a place that everybody can write to was accepted"
exit 0
