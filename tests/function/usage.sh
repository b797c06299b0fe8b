#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# What mitosis-function refuses, and how: one clear message, the right status, nothing on standard output.
# shellcheck source-path=SCRIPTDIR source=function.sh
. "$(dirname "$0")/function.sh"

as_other() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }

# refuse STATUS PATTERN WORD...
refuse() {
	local wanted=$1 pattern=$2
	shift 2
	doing=$*
	expect "$wanted" "$tool" "$@"
	said err "$pattern"
	[ "$(grep -vc '^Try ' err)" = 1 ] || fail "more than one message: $(cat err)"
	[ ! -s out ] || fail "refused, and yet output: $(cat out)"
	doing=
}
refuse 2 'no NAME or FILE given'
refuse 1 'odd: no such function' odd
refuse 1 'odd.py: No such file' odd.py
refuse 2 '--phase: lukewarm: not known' helloworld --phase lukewarm
refuse 2 '--engine: steam: not known' helloworld --engine steam
refuse 2 '--count: 0: expected a number' helloworld --count 0
refuse 2 '--event: {: not JSON' helloworld --event '{'
refuse 2 'transfer: helloworld is not a workflow' helloworld --phase transfer
refuse 2 'contradicts --mode eager' helloworld --replay --mode eager
refuse 2 '--serve: makes a parent' helloworld --serve --phase cold
refuse 2 '--answer: measures nothing' helloworld --answer --serve
refuse 2 '--listen: only with --serve' helloworld --listen 127.0.0.1
for wrong in localhost 127.0.0.1:x 127.0.0.1:65536 '[::1' 127.0.0.1] 1.2.3.4.5; do
	refuse 2 '--listen: .*: expected ADDRESS, ADDRESS:PORT or \[IPV6\]:PORT, and no name$' helloworld --serve --listen "$wrong"
done
refuse 1 '--listen: 203.0.113.9: this host has no such address' helloworld --serve --listen 203.0.113.9
refuse 2 'odd: not a reference' helloworld --from odd
refuse 2 'neither phase child' helloworld --phase cold --from mitosis://127.0.0.1:1/x
[ -c /dev/mitosis ] || refuse 77 'engine kernel' helloworld --engine kernel
if [ "$(id -u)" = 0 ] && as_other test -x "$tool" && ! as_other "$helper_tool" uffd >/dev/null; then
	for what in replay:--phase=child,replay '--mode demand:--mode=demand'; do
		doing=${what#*:}
		expect 77 as_other "$tool" helloworld "${what#*:}"
		said err "${what%%:*}: memory cannot be fetched on demand: .*mitosis-check"
		[ ! -s out ] || fail "refused, and yet output: $(cat out)"
	done
fi

doing=answer
printf 'a\nb\n' >in
input=in expect 0 "$tool" helloworld --answer
cmp -s out <(printf '\n\n') || fail "two lines are not answered by two: $(od -c out)"

doing="line breaks in arguments"	# are no lines of the stream, and a shell has the same word of it
event=$'{"it\'s":\n"\\\\"}'
expect 0 "$tool" helloworld --phase cold --count 1 --warmup 0 --event "$event"
[ "$(wc -l <out)" = 3 ] || fail "$(cat out)"
eval "set -- $(sed -n '1s/.* args=//p' out)"
[ "${*: -1}" = "$event" ] || fail "the last argument is ${*: -1}"
"$bin_dir/mitosis-stats" out >stats.tsv || fail "mitosis-stats does not take it"

doing="a closed stream"
expect 1 closed 1 "$tool" helloworld --phase cold
said err '^mitosis-function: write error: Bad file descriptor$'
expect 1 closed 0 "$tool" helloworld --phase child --from -
said err '^mitosis-function: standard input: Bad file descriptor$'

doing=list
expect 0 "$tool" --list
for name in helloworld json compression pyaes chameleon image pagerank recognition matmul linpack micro finra; do
	said out "^$name  *[A-Z]"
done

expect 0 "$tool" --list --json
"$python" - <<'END' || fail "$(cat out)"
import json
rows = [json.loads(line) for line in open("out", encoding="utf-8")]
assert len(rows) >= 12 and all(row["title"] and row["file"].endswith((f"/{row['name']}.py", f"/{row['name']}")) for row in rows), rows
needs = {row["name"]: row["needs"] for row in rows}
assert needs["json.js"] == {"node": "nodejs"} and set(needs["json.java"]) == {"java", "javac"}, needs
assert needs["matmul"] == {"numpy": "python3-numpy"} and needs["json"] == {}, needs
assert all(set(row["missing"]) <= set(row["needs"]) for row in rows), rows
END

# write NAME: a function, from standard input
write() { cat >"$1.py"; }
write syntax <<'END'
def handler(event)
    return 1
END
refuse 1 'syntax.py:1: SyntaxError' syntax.py
write handlerless <<'END'
def handle(event):
    return 1
END
refuse 1 'handlerless.py: there is no handler(event)' handlerless.py --phase cold
write raises <<'END'
def divide(event):
    return 1 / event["by"]


def handler(event):
    return divide(event)
END
refuse 1 'raises.py:2: ZeroDivisionError: division by zero' raises.py --event '{"by": 0}'
refuse 1 "raises.py:2: KeyError: 'by'" raises.py
write importing <<'END'
import no_such_module_at_all
END
refuse 1 "importing.py:1: ModuleNotFoundError: No module named 'no_such_module_at_all'" importing.py
write lacking <<'END'
NEEDS = {"no_such_module_at_all": "python3-no-such"}
import no_such_module_at_all
END
refuse 77 'lacking: needs the Python module no_such_module_at_all (Debian package python3-no-such)' lacking.py
write needy <<'END'
NEEDS = ["numpy"]
END
refuse 1 'needy.py:1: NEEDS: expected a table' needy.py
write opaque <<'END'
def handler(event):
    return {1, 2}
END
refuse 1 'opaque.py: handler: its result is not JSON' opaque.py --phase cold
write leaving <<'END'
import sys
def handler(event):
    sys.exit("enough")
END
refuse 1 'leaving.py:3: SystemExit: enough' leaving.py --phase cold
write dying <<'END'
import os
def handler(event):
    os.kill(os.getpid(), 11)
END
refuse 1 'dying: ended by SIGSEGV' dying.py --phase cold
write threads <<'END'
import threading
import time
threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
def handler(event):
    return 1
END
refuse 1 'threads.py: 2 threads are alive' threads.py --phase child
exit 0
