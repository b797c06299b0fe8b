#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# freeze.sh - random programs of up to 64 threads are prepared by their number while they do everything at once, and each
# snapshot is resumed: programs and children check themselves, and come to their end when they are told. In a tenth of the
# attempts the tracer is killed at some moment: the program does not notice.
#
#	MITOSIS_SEED=1234 MITOSIS_FUZZ_RUNS=1000 tests/fuzz/freeze.sh
. "$(dirname "$0")/../lib.sh"

runs=${MITOSIS_FUZZ_RUNS:-16}
seed=${MITOSIS_SEED:-$RANDOM}
each=8		# snapshots of one program
RANDOM=$seed
echo "MITOSIS_SEED=$seed MITOSIS_FUZZ_RUNS=$runs"
program=$work_dir/random-program
cp "$build_dir/tests/fuzz/freeze" "$program" || broken "no tests/fuzz/freeze"
kill_tool=$build_dir/tests/fuzz/kill-tracer

# Nobody runs the program any more, not even a part of it.
nobody() { ! find /proc -mindepth 2 -maxdepth 2 -name exe -lname "$program*" 2>/dev/null | grep -q .; }
# asked FILE PID: what it says of itself
has_answer() { [ "$(grep -c -E '^(ok|wrong)' "$1")" -gt "$answers" ]; }
check_parent() {
	answers=$(grep -c -E '^(ok|wrong)' parent.out)
	kill -USR1 "$parent" || fail "the program has ended: $(cat parent.out)"
	await 20000 has_answer parent.out
	no_line parent.out '^wrong' && sound parent.out || fail "$(cat parent.out)"
}
# Of a thread that stands still as its tracer dies nobody can make the call anew that the stop has interrupted.
sound() { ((was_killed)) || no_line "$1" 'interrupted [1-9]'; }
# The command's last process ends by SIGTERM, as it was told.
well_ended() {
	[ "$status" = 0 ] && no_line "$1" '^(wrong|stuck)' && has_line "$1" '^done' && sound "$1" || fail "status $status: $(cat "$1")"
}

# Not to be stopped at the moment: in vfork(2), say.
refusals=0 killed=0 late=0
take_snapshot() {
	local attempt
	for attempt in 1 2 3 4 5; do
		if "$parent_tool" --pid "$parent" >reference.out 2>reference.log; then
			ref=$(<reference.out)
			return
		fi
		grep -q -E 'does not stop|cannot be told|faster than' reference.log || fail "$(cat reference.log)"
		echo "$about: $(cat reference.log)" >&2
		refusals=$((refusals + 1))
	done
	fail "five times: $(cat reference.log)"
}

# Of a first thread that has ended nobody is told the open files before Linux 6.9.
can_be_dead=$(printf '6.9\n%s\n' "$(uname -r)" | sort -V -C && echo 1)
has_namespaces=$([ -n "$(why_not -p -f --mount-proc)" ] || echo 1)
ways=("--mode eager" "--mode demand" "--mode demand --window 1" "--mode demand --no-push" "--tids new" "--tids new --mode eager")
children=() names=()
# end_children: those that run are told to end, and do
end_children() {
	local i
	for i in "${!children[@]}"; do
		doing="$about, ${names[i]}"
		await 60000 resumed_or_end "${names[i]%% *}" "${children[i]}"
		sleep "0.$((RANDOM % 30))"
		kill "${children[i]}" 2>/dev/null
		finish "${children[i]}" 60000
		well_ended "${names[i]%% *}.out"
		rm -f "${names[i]%% *}".{out,err}
	done
	children=() names=()
}
resumed_or_end() { has_line "$1.out" '^resumed$' || gone "$2"; }

for ((run = 0; run < runs;)); do
	number=$((RANDOM * 32768 + RANDOM))
	how=()
	((RANDOM % 4)) || how=(${can_be_dead:+dead})
	[ -n "$has_namespaces" ] || number=$((number & ~1))
	about="run $run, program $number${how[0]:+ ${how[0]}}"
	doing=$about
	was_killed=0
	launch_parent /dev/null "$program" "$number" "${how[@]}"
	await 10000 has_line parent.out '^ready$'
	for ((i = 0; i < each && run < runs; i++, run++)); do
		about="run $run, program $number${how[0]:+ ${how[0]}}"
		doing=$about
		sleep "0.0$((RANDOM % 10))"
		if ((run % 10 == 5)); then
			after=$((RANDOM % 100 * (RANDOM % 100)))
			doing="$about, killed after $after us"
			if [ "$("$kill_tool" "$after" "$parent" "$parent_tool" --pid "$parent" 2>kill.log)" = killed ]; then
				killed=$((killed + 1)) was_killed=1
			else
				late=$((late + 1))
			fi
			check_parent
		fi
		take_snapshot
		# An odd one needs its numbers.
		way=${ways[RANDOM % (number % 2 ? 4 : ${#ways[@]})]}
		# shellcheck disable=SC2086
		start_child "child$i" $way "$ref"
		children+=("$child")
		names+=("child$i $way")
		((${#children[@]} < 2)) || end_children
	done
	end_children
	doing=$about
	check_parent
	kill "$parent"
	finish "$parent" 60000
	await 10000 gone "${copiers[0]}"
	well_ended parent.out
	await 10000 nobody
done
echo "$runs snapshots, $refusals refused first; the tracer killed $killed times, $late times too late"
((refusals * 10 <= runs + 10)) || fail "$refusals refusals"
