#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# On a terminal, progress and what else is written there do not mix; and it counts what is measured.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need_python

# look COLUMNS COMMAND...: final screen in screen, states of the line that changes in states
look() {
	expect 0 "$python" "$tests_dir/unit/screen.py" "$@"
	sed '/^-----$/,$d' out >screen
	sed '1,/^-----$/d' out | grep '\[.*\]' >states
	[ -s states ] || fail "no bar was ever drawn: $*: $(head -n 5 out)"
}

# clean PATTERN: no line but such ones is left on the screen
clean() {
	grep -v -E -x -e "$1" -e '' screen >mixed && fail "mixed lines: $(head -n 5 mixed)"
	return 0
}

# counts TOTAL: the bars count to it, from 0 as long as nothing is measured
counts() {
	grep -v -E "^[a-z]+ \[[ =]{30}\] [0-9]+/$1\$" states >wrong && fail "not of $1: $(head -n 3 wrong)"
	grep -q " $1/$1\$" states || fail "never $1/$1: $(cat states)"
}

doing="everything beside a bar"
line=' round +what *| +[0-9]+  a record|draw: (itself|forked|thread): warning: [0-9]+|draw: of the library'
look 80 "$build_dir/tests/unit/draw"
clean "$line"
[ "$(grep -c record screen)" = 20 ] || fail "records: $(cat screen)"
[ "$(grep -c thread: screen)" = 80 ] || fail "messages of threads: $(cat screen)"
[ "$(grep -c -e itself -e forked -e library screen)" = 60 ] || fail "messages: $(cat screen)"

doing="JSON on a terminal"
look 1000 "$build_dir/tests/unit/draw" json
clean '\{.*\}|draw: .*'

doing="a terminal narrower than the bar"
look 40 "$build_dir/tests/unit/draw"
clean "$line"
grep -q '^drawing \[=\+ \+\] 10/20$' states || fail "$(head -n 5 states)"

doing=prepare
look 200 "$bin_dir/mitosis-prepare" --engine local --wss 64K --count 5 --warmup 3
clean 'engine .*|local .*'
[ "$(grep -c ^local screen)" = 5 ] || fail "records: $(cat screen)"
counts 5
grep -q ' 0/5$' states || fail "what warms up is counted: $(cat states)"

doing=resume
look 250 "$bin_dir/mitosis-resume" --engine local --wss 64K --count 5 --warmup 3
clean 'engine .*|local .*'
counts 5
grep -q ' 0/5$' states || fail "what warms up is counted: $(cat states)"

doing=exectime
look 250 "$bin_dir/mitosis-exectime" --wss 64K --count 5 --phase cold,warm
clean 'engine .*|.*(cold|warm) .*'
counts 5
exit 0
