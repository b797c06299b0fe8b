#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# A user's own function: modules beside it, what it prints, its event, results that differ, a child that
# fails; served to children elsewhere; interrupted; nothing is left.
# shellcheck source-path=SCRIPTDIR source=function.sh
. "$(dirname "$0")/function.sh"
need_uffd

cat >helper.py <<'END'
def double(value):
    return value * 2
END
cat >own.py <<'END'
import helper
import json
print("loaded")
calls = 0


def handler(event):
    global calls
    calls += 1
    print("called")
    return {"doubled": helper.double(event["value"]), "text": json.dumps(event)}
END
doing="own file"
expect 0 "$tool" own.py --event '{"value": 21}' --count 2 --phase cold,warm,child,fork --replay
for phase in cold warm child replay fork; do
	measured out exec_ns $phase 2
done
[ "$(column out function | sort -u)" = own ] || fail "the function's name is $(column out function | sort -u)"
# Three cold starts and the parent; each of the five phases three times, the parent and who records.
[ "$(grep -c '^loaded$' err)" = 4 ] || fail "loaded $(grep -c loaded err) times instead of 4: $(cat err)"
[ "$(grep -c '^called$' err)" = 17 ] || fail "called $(grep -c called err) times instead of 17"
[ ! -e __pycache__ ] || fail "bytecode was written"
expect 0 "$tool" own.py --event '{"value": 1}' --count 1 --phase cold
other=$(column out result | sort -u)
expect 0 "$tool" own.py --event '{"value": 2}' --count 1 --phase cold
[ "$(column out result | sort -u)" != "$other" ] || fail "two events, one result"
nothing_left own.py || fail "something is left"

doing="a result that differs"
cat >moody.py <<'END'
import os


def handler(event):
    return os.getpid()
END
for phase in child replay fork; do
	expect 1 "$tool" moody.py --phase $phase
	said err 'the result differs from the parent'
	[ ! -s out ] || fail "a record of a wrong result"
done
expect 0 "$tool" moody.py --phase child,fork --count 1 --no-compare

doing="a child that fails"
cat >late.py <<'END'
import os
born = os.getpid()


def handler(event):
    if os.getpid() != born:
        raise LookupError("not at home")
    return 1
END
expect 1 "$tool" late.py --phase child
said err 'late: in the child: .*late.py:7: LookupError: not at home'
expect 1 "$tool" late.py --phase fork
said err 'late: in a forked child: .*late.py:7: LookupError: not at home'
nothing_left late.py || fail "something is left"

doing="served"
background served served.err "$tool" own.py --event '{"value": 3}' --serve
parent=$!
pids+=("$parent")
await_reference served
expect 0 "$tool" own.py --event '{"value": 3}' --phase cold,child,replay --count 2 --from "$ref"
measured out resume_ns child 2
measured out resume_ns replay 2
silent out "${ref##*/}"
said out 'args=.*--from .mitosis://127.0.0.1:[0-9]*/\*\*\*'
# shellcheck disable=SC2016
expect 0 bash -c '"$1" own.py --phase child --count 1 --from - <served' - "$tool"
expect 1 "$tool" late.py --phase child --from "$ref"
said err 'the snapshot holds own, not late'
kill -TERM "$parent"
finish "$parent" 20000
parent=
[ "$status" = 0 ] || fail "the server's status is $status: $(cat served.err)"
nothing_left own.py || fail "something is left of the server"

doing="a snapshot of something else"
start_parent "$parent_tool"
expect 1 "$tool" own.py --phase child --from "$ref"
said err 'not that of a mitosis-function --serve'
forget_parent

doing="interrupted"
cat >slow.py <<'END'
import pathlib
import time


def handler(event):
    pathlib.Path("running").touch()
    time.sleep(1000)
END
background slow.out slow.err "$tool" slow.py
slow=$!
pids+=("$slow")
await 20000 test -e running
kill -TERM "$slow"
finish "$slow" 20000
[ "$status" = 143 ] || fail "status $status"
await 5000 nothing_left slow.py
exit 0
