# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# shellcheck shell=bash
# experiments.sh - which test runs which experiment of the package, so that each is run by one at least.

# In the lab: what needs RDMA or the kernel module, what changes or clears a whole host, and CRIU, which not
# every kernel can do. lab.sh runs these, and every.sh all others that mitosis-exp list shows, new ones too.
# shellcheck disable=SC2034 # used by the tests
lab_only="set-up criu criu-restore criu-execution criu-copy memory-kernel rc-connection rc-devices rc-latency rc-machines rc-operations rc-operations-latency variants-kernel clean-up"

# Each of them one point, or few, and small. An array, as one of the values has a space.
# shellcheck disable=SC2034
smallest=(--quick --set wss=1M --set count=3 --set parallel=2)

# covered NAME...: in the run of directory dir each has a point that is done, and has measured what its
# summary is about. Those that lack a program here are said, and left out.
covered() {
	# shellcheck disable=SC2154 # of lib.sh
	"$python" - "$@" <<'PYTHON' || fail "not every experiment was run: see above"
import csv, json, os, sys

def number(text):
    try:
        return float(text) >= 0
    except ValueError:
        return False

bad = 0
for name in sys.argv[1:]:
    path = f"dir/{name}/state.json"
    state = json.load(open(path)) if os.path.exists(path) else {"points": {}, "why": "not begun"}
    points = list(state["points"].values())
    if any(point["outcome"] == "done" for point in points):
        stats = state["stats"]
        wanted = [stats[at + 1].split(",") for at, word in enumerate(stats) if word == "--columns"]
        with open(f"dir/{name}/records.tsv", encoding="utf-8") as file:
            rows = list(csv.DictReader((line for line in file if not line.startswith("#")), delimiter="\t",
                                       quoting=csv.QUOTE_NONE))
        for column in sum(wanted, []):
            if not any(number(row.get(column) or "") for row in rows):
                print(f"{name}: {column}: nothing was measured", file=sys.stderr)
                bad = 1
        if not rows:
            print(f"{name}: no record", file=sys.stderr)
            bad = 1
        continue
    why = state.get("why") or (points[0]["reason"] if points else "no point")
    if " is not there on " in why:
        print(f"{name}: left out: {why}", file=sys.stderr)
        continue
    print(f"{name}: not run by any test: {why}", file=sys.stderr)
    bad = 1
sys.exit(bad)
PYTHON
}
