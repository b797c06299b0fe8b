#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# The Python module: a CPython parent prepares itself; its children, in other processes, import
# modules, start threads and subprocesses; errors are exceptions with the library's reason.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need_python
export PYTHONPATH=$tests_dir/../share/mitosis-exp/python PYTHONDONTWRITEBYTECODE=1

cat >parent.py <<'END'
import random
import sys
import mitosis

words = {n: str(n) * 3 for n in range(20000)}       # something to arrive on demand
random.seed(7)
order = []


@mitosis.at_resume
def first():
    order.append("first")


mitosis.at_resume(lambda: order.append("second"))
mitosis.at_resume(first)
snapshot = mitosis.prepare(label="python", lifetime=120)
if snapshot is None:
    assert order == ["first", "second", "first"], order
    import decimal                                  # not imported before
    import subprocess
    import threading
    assert "decimal" in sys.modules and decimal.Decimal("0.1") * 3 == decimal.Decimal("0.3")
    assert all(words[n] == str(n) * 3 for n in range(20000))
    got = []
    threads = [threading.Thread(target=got.append, args=(n,)) for n in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(got) == list(range(8)), got
    said = subprocess.run(["echo", "a subprocess"], stdout=subprocess.PIPE, check=True, text=True)
    print("child:", said.stdout.strip(), random.random(), flush=True)
    assert mitosis.stats().hot_pages > 0
    mitosis.drain()
    assert mitosis.stats().missing_pages == 0
    sys.exit(42)
assert not order
assert repr(snapshot).endswith("/***>") and str(snapshot) == snapshot.reference
info = snapshot.info()
assert info.label == "python" and info.pages > 0 and info.reference == snapshot.reference
assert snapshot.reference in [i.reference for i in mitosis.list()]
assert mitosis.stats() == (0,) * 6 + (4096,)
print(snapshot.reference, flush=True)
sys.stdin.read()
snapshot.release()
END
start_parent "$python" parent.py
shadow=$(shadow_of "$parent")
[ -n "$shadow" ] || fail "no shadow"

lines=
while read -r options; do
	doing="mitosis-child $options"
	# shellcheck disable=SC2086
	run_child 20000 $options "$ref"
	expect_status 42
	grep -q '^child: a subprocess 0\.' child.out || fail "output is '$(<child.out)' ($doing)"
	lines+=$(<child.out)$'\n'
done < <(all_modes)
# os.register_at_fork() ran: no two children got the same random number.
[ -z "$(sort <<<"$lines" | sed '/^$/d' | uniq -d)" ] || fail "children share their random numbers: $lines"

doing="mitosis.resume()"
"$python" - "$ref" >child.out 2>child.err <<'END'
import os
import sys
import time
import mitosis

reference = sys.argv[1]
pid = os.fork()
if not pid:
    mitosis.resume(reference, window=8, push=50)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 42
# It is elsewhere than its name says, at the second address; and tells when it runs.
end, told = os.pipe()
begun = time.monotonic_ns()
pid = os.fork()
if not pid:
    mitosis.resume(reference.replace("127.0.0.1", "elsewhere.invalid"), addresses=["127.0.0.9", "127.0.0.1"],
                   notify_fd=told)
os.close(told)
ran = int.from_bytes(os.read(end, 9), sys.byteorder)
assert begun < ran < time.monotonic_ns()
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 42
assert os.read(end, 9) == b""
os.close(end)


def refused(number, text, call, *args, **more):
    try:
        call(*args, **more)
    except mitosis.MitosisError as e:
        assert isinstance(e, OSError) and e.errno == number and text in e.strerror, repr(e)
    else:
        raise AssertionError(f"no error: {text}")


refused(13, "no such snapshot", mitosis.query, reference[:-12] + "0" * 12)
refused(22, "not a reference", mitosis.release, "mitosis://nothing")
refused(22, "not a reference", mitosis.resume, "mitosis://nothing")
refused(22, "not a list of addresses", mitosis.resume, reference, addresses="node1")
refused(22, "not an address to listen at", mitosis.prepare, listen="here")
refused(95, "no engine", mitosis.prepare, engine="steam")
refused(95, "no such engine", mitosis.check, "steam")
mitosis.check("user")
for wrong in ({"label": "x" * 64}, {"label": "a\0b"}):
    try:
        mitosis.prepare(**wrong)
    except ValueError:
        continue
    raise AssertionError(wrong)
with mitosis.prepare() as s:
    s.release()         # once more at the end of the block is no error
print("asked")
END
status=$?
expect_status 0
grep -q '^asked$' child.out || fail "the second program's output is '$(<child.out)'"

end_parent
expect_status 0
gone "$shadow" || fail "the shadow outlived release()"

doing="a function for children that fails"
cat >failing.py <<'END'
import sys
import mitosis


@mitosis.at_resume
def fail():
    raise RuntimeError("nothing to draw from")


mitosis.at_resume(lambda: print("never"))
snapshot = mitosis.prepare()
if snapshot:
    print(snapshot, flush=True)
    sys.stdin.read()
else:
    print("nor this")
END
start_parent "$python" failing.py
run_child 20000 "$ref"
expect_status 1
expect_message "RuntimeError: nothing to draw from"
[ ! -s child.out ] || fail "it went on: $(<child.out)"
