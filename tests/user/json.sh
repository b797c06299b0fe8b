#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# With --json each line is a record and all have the same keys, which are TSV's columns: that is what
# jq and pandas take JSON Lines for. --header puts the facts of TSV's comment before them.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need_python
export MITOSIS_LEAN_DIR=$PWD/lean XDG_RUNTIME_DIR=$PWD

# same COMMAND...: TSV and JSON Lines of it
same() {
	doing=$*
	expect 0 "$@"
	mv out tsv
	expect 0 "$@" --json
	mv out json
	expect 0 "$@" --json --header
	mv out header
	"$python" - <<'END' || fail "$(cat json header)"
import json

def lines(name):
    with open(name, encoding="utf-8") as file:
        return [json.loads(line) for line in file]

comment, names, *rows = open("tsv", encoding="utf-8").read().splitlines()
records = lines("json")
assert len(records) == len(rows), (len(records), len(rows))
for record in records:
    assert list(record) == names.split("\t"), record
first, *others = lines("header")
assert len(others) == len(rows) and all(list(each) == names.split("\t") for each in others)
assert list(first) == ["meta"] and first["meta"].pop("mitosis-exp") == 1, first
args = first["meta"].pop("args")
assert args.endswith("--json --header"), args
facts = " ".join(f"{name}={value}" for name, value in first["meta"].items())
assert comment.startswith(f"# mitosis-exp 1 {facts} args="), (comment, first)
END
	if command -v jq >/dev/null; then
		[ "$(jq -r 'keys_unsorted | @tsv' json | sort -u)" = "$([ -s json ] && sed -n 2p tsv)" ] || fail "jq: $(cat json)"
	fi
	if "$python" -c 'import pandas' 2>/dev/null; then
		"$python" -c 'import pandas
tsv = pandas.read_csv("tsv", sep="\t", comment="#")
if len(tsv):
    json = pandas.read_json("json", lines=True)
    assert list(json.columns) == list(tsv.columns) and len(json) == len(tsv), json' || fail pandas
	fi
}

same "$bin_dir/mitosis-prepare" --engine local --wss 64K,128K --count 2
same "$bin_dir/mitosis-resume" --engine local --wss 64K --count 2
same "$bin_dir/mitosis-exectime" --wss 64K --count 2 --phase cold,warm
cp tsv samples
same "$bin_dir/mitosis-stats" --percentiles 50 samples
"$bin_dir/mitosis-check" --quiet && same "$bin_dir/mitosis-check"
same "$bin_dir/mitosis-leanprep" list
exit 0
