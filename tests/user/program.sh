# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# shellcheck shell=bash
# program.sh - for tests of programs that run unmodified, one for each language: each is taken by its number while it is
# busy, twice, and has three children each time.
#
# A program counts for ever. In its step s it notes f(s) = (31 s + 7) mod 1000003 in slot s mod 1000, in place of what was
# there, and adds s to a sum. After each 10,000 steps, or what $each says, it looks whether all slots and the sum are what
# follows from s, and prints "s sum"; if they are not, it prints "wrong" and ends with status 1. It ends with status 7 once
# its standard input is a file that says "end", or there is a file "end".
# shellcheck source-path=SCRIPTDIR/.. source=lib.sh
. "$(dirname "$0")/../lib.sh"
each=10000

# What a program has printed: each line follows from the one before.
follows() {
	awk -v each="$each" 'NF != 2 || $2 != $1 * ($1 + 1) / 2 || (NR > 1 && $1 != last + each) { print "line " NR ": " $0; exit 1 }
		{ last = $1 }' "$1"
}
last_step() { awk 'NF == 2 { last = $1 } END { print last + 0 }' "$1"; }
# has_steps FILE PID COUNT
has_steps() { [ "$(wc -l <"$1")" -ge "$3" ] || gone "$2"; }

# What a child says that it lacks, but for what each child with its parent's numbers does.
lacks() {
	sed 's/.* is not in all what its parent is: //; s/; /\n/g' "$1" |
		grep -v 'may draw the same random numbers'
}

# count_twice COMMAND...: such a program
count_twice() {
	local time mode before first steps
	: >null
	launch_parent /dev/null "$@"
	await 60000 has_steps parent.out "$parent" 5
	for time in first second; do
		doing="the $time snapshot"
		before=$(last_step parent.out)
		expect 0 "$parent_tool" --pid "$parent"
		[ ! -s err ] || fail "$(cat err)"
		cp out reference.out
		await_reference reference.out
		children=()
		for mode in eager demand auto; do
			if [ "$mode" = demand ] && ! "$helper_tool" uffd >/dev/null; then
				mode=eager
			fi
			: >"$mode.in"
			: >"$mode.out"
			: >"$mode.err"
			"$child_tool" --mode "$mode" --timeout "$((5 * patience))s" "$ref" <"$mode.in" >"$mode.out" 2>"$mode.err" &
			children+=("$!")
			pids+=("$!")
		done
		steps=
		for mode in eager demand auto; do
			[ -e "$mode.out" ] || continue
			doing="the $time snapshot, $mode"
			child=${children[0]}
			children=("${children[@]:1}")
			await 60000 has_steps "$mode.out" "$child" 5
			alive "$child" || fail "it ended: $(cat "$mode.out")"
			echo end >"$mode.in"
			finish "$child" 60000
			expect_status 7
			follows "$mode.out" >wrong || fail "$(cat wrong)"
			# All of them go on from one instant, which is the snapshot's.
			first=$(head -n 1 "$mode.out")
			[ "${steps:=$first}" = "$first" ] || fail "it goes on with $first, another with $steps"
			((${first% *} > before)) || fail "it goes on with $first, after $before"
			await 60000 has_line parent.out "^$first\$"
			[ -z "$(lacks "$mode.err")" ] || fail "$(lacks "$mode.err")"
			rm "$mode.in" "$mode.out" "$mode.err"
		done
		doing="the parent"
		steps=$(wc -l <parent.out)
		await 60000 has_steps parent.out "$parent" $((steps + 3))
		alive "$parent" || fail "it ended: $(tail -n 1 parent.out)"
	done
	: >end
	finish "$parent" 60000
	expect_status 7
	await 5000 gone "${copiers[0]}"
	follows parent.out >wrong || fail "$(cat wrong)"
	parent=
	doing=
}
