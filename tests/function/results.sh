#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# Every function of the package whose libraries are there, in each phase: children and local children come
# to the parent's result, and all phases are measured.
# shellcheck source-path=SCRIPTDIR source=function.sh
. "$(dirname "$0")/function.sh"
need_uffd

# What each needs besides Python itself: with it, the function has to run.
declare -A needs=([chameleon]=chameleon [compression]="" [finra]="" [helloworld]="" [image]=PIL [json]="" [linpack]=numpy
	[matmul]=numpy [micro]="" [pagerank]=igraph [pyaes]=pyaes [recognition]="numpy, sklearn")

phases=cold,warm,prepare,child,replay,fork
lacking=()
ran=()
expect 0 "$tool" --list
cp out list
# Those for other languages than Python have a dot in their names: languages.sh.
[ "$(cut -d ' ' -f 1 list | grep -vF . | sort | tr '\n' ' ')" = "$(printf '%s\n' "${!needs[@]}" | sort | tr '\n' ' ')" ] ||
	fail "the functions are $(cut -d ' ' -f 1 list | tr '\n' ' ')"
while read -r name _; do
	doing=$name
	case $name in
	finra | *.*) continue ;;	# workflow.sh; languages.sh
	esac
	there=true
	[ -z "${needs[$name]}" ] || "$python" -c "import ${needs[$name]}" 2>/dev/null || there=false
	status=0
	"$tool" "$name" --phase $phases --count 1 --warmup 0 >out 2>err </dev/null || status=$?
	if ! $there; then
		[ "$status" = 77 ] || fail "${needs[$name]} is not there, and the status is $status: $(cat err)"
		said err "^mitosis-function: $name: needs the Python module .* (Debian package python3-"
		[ "$(wc -l <err)" = 1 ] || fail "more than one message"
		lacking+=("$name (needs ${needs[$name]})")
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
	ran+=("$name")
done <list
doing="all functions"
echo "$test_name: ran: ${ran[*]}" >&2
if ((${#lacking[@]})); then
	printf -v text '%s, ' "${lacking[@]}"
	echo "$test_name: left out: ${text%, }" >&2
	[ -z "${MITOSIS_NOSKIP:-}" ] || fail "left out: ${text%, }"
fi

doing=statistics
expect 0 "$tool" micro --event '{"wss": "1M", "touch": 50}' --count 3 --phase cold,child --replay
"$bin_dir/mitosis-stats" --baseline phase=cold --columns total_ns out >stats || fail "mitosis-stats"
[ "$(column stats phase | sort -u | grep -v cold | tr '\n' ' ')" = "child replay " ] || fail "$(cat stats)"
expect 0 "$tool" micro --event '{"wss": "1M"}' --count 1 --phase warm,child --json --header
"$python" - <<'END' || fail "not JSON Lines: $(cat out)"
import json
meta, *rows = [json.loads(line) for line in open("out", encoding="utf-8")]
assert meta["meta"]["mitosis-exp"] == 1 and meta["meta"]["tool"] == "mitosis-function", meta
assert [row["phase"] for row in rows] == ["warm", "child"], rows
assert rows[0]["resume_ns"] is None and rows[1]["resume_ns"] > 0
END
expect 0 "$tool" micro --event '{"wss": "1M"}' --count 2 --phase warm --json
"$python" - <<'END' || fail "JSON Lines are not all records: $(cat out)"
import json
rows = [json.loads(line) for line in open("out", encoding="utf-8")]
assert len(rows) == 2 and all(list(row) == list(rows[0]) for row in rows), rows
END

doing="what is touched is fetched"
expect 0 "$tool" micro --event '{"wss": "8M", "touch": 0}' --count 1 --warmup 0 --phase child --no-push --window 1
few=$(cell out fetched_bytes child)
expect 0 "$tool" micro --event '{"wss": "8M", "touch": 100}' --count 1 --warmup 0 --phase child --no-push --window 1
((few + 7 * 1048576 < $(cell out fetched_bytes child))) || fail "$few bytes, then $(cell out fetched_bytes child)"
exit 0
