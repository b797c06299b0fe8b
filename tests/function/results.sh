#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every function of the package whose libraries are there, in each phase: children and local children come
# to the parent's result, and all phases are measured.
# shellcheck source-path=SCRIPTDIR source=function.sh
. "$(dirname "$0")/function.sh"
need_uffd

phases=cold,warm,prepare,child,replay,fork
lacking=
number=0
expect 0 "$tool" --list
cp out list
while read -r name _; do
	doing=$name
	if [ "$name" = finra ]; then
		continue		# tests/function/workflow.sh
	fi
	status=0
	"$tool" "$name" --phase $phases --count 1 --warmup 0 >out 2>err </dev/null || status=$?
	if [ "$status" = 77 ]; then
		said err "^mitosis-function: $name: needs the Python module .* (Debian package python3-"
		[ "$(wc -l <err)" = 1 ] || fail "more than one message"
		lacking+=" $name"
		continue
	fi
	[ "$status" = 0 ] || fail "status $status: $(cat err)"
	[ ! -s err ] || fail "messages: $(cat err)"
	[ "$(column out phase | sort | tr '\n' ' ')" = "child cold fork prepare replay warm " ] ||
		fail "the phases are $(column out phase | tr '\n' ' ')"
	[ "$(column out function | sort -u)" = "$name" ] || fail "another function's records"
	# The same in each process; prepare has none.
	[ "$(column out result | sort -u | grep -c '^[0-9a-f]\{12\}$')" = 1 ] || fail "results: $(column out result | sort | uniq -c)"
	for phase in cold warm child replay fork; do
		measured out exec_ns $phase 1
		measured out total_ns $phase 1
		measured out rss_bytes $phase 1
	done
	measured out import_ns cold 1
	measured out prepare_ns prepare 1
	measured out pages prepare 1
	measured out resume_ns child 1
	measured out resume_ns replay 1
	measured out fetched_bytes child 1
	number=$((number + 1))
done <list
((number >= 4)) || fail "only $number functions could run"
[ -z "$lacking" ] || echo "$test_name: left out, as libraries are missing:$lacking" >&2

doing=statistics
expect 0 "$tool" micro --event '{"wss": "1M", "touch": 50}' --count 3 --phase cold,child --replay
"$bin_dir/mitosis-stats" --baseline phase=cold --columns total_ns out >stats || fail "mitosis-stats"
[ "$(column stats phase | sort -u | grep -v cold | tr '\n' ' ')" = "child replay " ] || fail "$(cat stats)"
expect 0 "$tool" micro --event '{"wss": "1M"}' --count 1 --phase warm,child --json
"$python" - <<'END' || fail "not JSON Lines: $(cat out)"
import json
meta, *rows = [json.loads(line) for line in open("out", encoding="utf-8")]
assert meta["meta"]["mitosis-exp"] == 1 and meta["meta"]["tool"] == "mitosis-function", meta
assert [row["phase"] for row in rows] == ["warm", "child"], rows
assert rows[0]["resume_ns"] is None and rows[1]["resume_ns"] > 0
END

doing="what is touched is fetched"
expect 0 "$tool" micro --event '{"wss": "8M", "touch": 0}' --count 1 --warmup 0 --phase child --no-push --window 1
few=$(cell out fetched_bytes child)
expect 0 "$tool" micro --event '{"wss": "8M", "touch": 100}' --count 1 --warmup 0 --phase child --no-push --window 1
((few + 7 * 1048576 < $(cell out fetched_bytes child))) || fail "$few bytes, then $(cell out fetched_bytes child)"
exit 0
