#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# Children of a function in lean containers: their result is the parent's, with a recorded working set too.
# shellcheck source-path=SCRIPTDIR source=../lean/lean.sh
. "$(dirname "$0")/../lean/lean.sh"
need_lean
need_python
need_uffd
tool=$bin_dir/mitosis-function
export MITOSIS_EXP_DIR=${MITOSIS_EXP_DIR:-$tests_dir/../share/mitosis-exp}

expect 0 "$prep" create t --rootfs "closure:/bin/true"
cat >where.py <<'END'
import os
home = os.uname().nodename


def handler(event):
    return {"sum": sum(range(10000)), "elsewhere": os.uname().nodename != home} if event else sum(range(10000))
END
doing=children
expect 0 "$tool" where.py --phase child,replay --count 2 --container t
[ "$(grep -c '^where	user	child	' out)" = 2 ] || fail "$(cat out)"
[ "$(grep -c '^where	user	replay	' out)" = 2 ] || fail "$(cat out)"

doing="it is a container"
expect 1 "$tool" where.py --event 1 --phase child --container t
said err 'the result differs'

doing="a workflow"
expect 0 "$tool" finra --event '{"rules": 2, "trades": 500}' --phase child --count 1 --container t
[ "$(grep -c '^finra	user	child	[01]	' out)" = 2 ] || fail "$(cat out)"
expect 2 "$tool" finra --phase replay --container t

doing="no template"
expect 1 "$tool" where.py --phase child --container nosuch
said err 'nosuch: no such template'
exit 0
