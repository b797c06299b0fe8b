#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# Resume of a warm Python process and one call, against a cold start, the imports and the same call.
. "$(dirname "$0")/lib.sh"

cat > "$scratch/function.py" <<'PY'
import os, signal, sys, time
import json, decimal, sqlite3

def call():
    db = sqlite3.connect(":memory:")
    db.execute("create table t (k, v)")
    db.executemany("insert into t values (?, ?)", ((i, str(decimal.Decimal(i) / 7)) for i in range(50)))
    return json.dumps(db.execute("select * from t order by v").fetchall())

if sys.argv[1] == "cold":
    call()
else:
    parent = os.getpid()
    call()
    os.kill(os.getppid(), signal.SIGUSR1)
    # It waits here; a child goes on, since it has another standard input.
    sys.stdin.read()
    if os.getpid() == parent:
        os._exit(0)
    call()
print(time.monotonic_ns(), flush=True)
os._exit(0)
PY
cat > "$scratch/measure.py" <<'PY'
import os, subprocess, sys, time
script, reference, out = sys.argv[1:4]
child = ["mitosis-child", "--quiet", "--tids", "new", open(reference).read().strip()]
cold = [sys.executable, script, "cold"]
with open(out, "w") as f:
    print("engine", "iter", "call_ns", sep="\t", file=f)
    for i in range(22):
        for engine, argv in (("cold", cold), ("user", child)):
            start = time.monotonic_ns()
            end = int(subprocess.run(argv, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, check=True).stdout)
            if i >= 2:
                print(engine, i - 2, end - start, sep="\t", file=f)
PY
mkfifo "$scratch/hold"
python3 -m compileall -q "$scratch"
mitosis-parent --on USR1 --reference "$scratch/ref" -- python3 "$scratch/function.py" warm < "$scratch/hold" &
parent=$!
exec 9> "$scratch/hold"
until [ -s "$scratch/ref" ]; do kill -0 $parent; done
fast python3 "$scratch/measure.py" "$scratch/function.py" "$scratch/ref" "$scratch/calls"
title "Python with json, decimal, sqlite3: resume + one call, against cold start + import + the same call"
row "one call" "$(median "$scratch/calls" call_ns engine=user)" "$(median "$scratch/calls" call_ns engine=cold)" '<= 0.5'
exec 9>&-
wait $parent || true
