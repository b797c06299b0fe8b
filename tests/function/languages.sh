#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# Functions of other languages than Python: those of the package come to the same result in all of them, and in children;
# files of one's own; what is wrong with one, and what is not here, is said by its name.
# shellcheck source-path=SCRIPTDIR source=function.sh
. "$(dirname "$0")/function.sh"
need_uffd

doing="what is not here"
mkdir none
for program in env grep sed; do ln -s "$(command -v $program)" none/$program; done
expect 77 env PATH="$PWD/none" "$python" "$tool" helloworld.js
said err '^mitosis-function: helloworld.js: needs node (Debian package nodejs)$'
expect 77 env PATH="$PWD/none" "$python" "$tool" json.java
said err '^mitosis-function: json.java: needs java (Debian package default-jdk-headless)$'
expect 1 "$tool" odd.js
said err 'odd.js: No such file'

reference_is_there() { grep -q '^mitosis' reference.out || gone "$served"; }

languages=()
! command -v node >/dev/null || languages+=(js)
! command -v javac >/dev/null || languages+=(java)
[ ${#languages[@]} != 0 ] || skip "needs node or javac"

expect 0 "$tool" helloworld --phase warm --count 1 --warmup 0
greeting=$(cell out result warm)
for language in "${languages[@]}"; do
	for name in helloworld json; do
		doing=$name.$language
		expect 0 "$tool" $name.$language --event '{"orders": 50}' --replay --count 1 --warmup 0
		for phase in cold warm child replay; do
			measured out exec_ns $phase 1
			measured out total_ns $phase 1
		done
		measured out resume_ns child 1
		measured out pages prepare 1
		[ "$(column out function | sort -u)" = $name.$language ] || fail "its name is $(column out function | sort -u)"
		[ "$(column out result | grep -v '^NA$' | sort -u | wc -l)" = 1 ] || fail "results differ: $(cat out)"
		[ $name = json ] || [ "$(cell out result warm | head -n 1)" = "$greeting" ] || fail "not the result of Python"
	done
	doing="--phase fork"
	expect 2 "$tool" helloworld.$language --phase fork
	said err '^mitosis-function: --phase: fork: not for functions of '
	expect 2 "$tool" helloworld.$language --answer
	expect 2 "$tool" helloworld.$language --container x

	doing="served, $language"
	"$tool" helloworld.$language --serve >reference.out 2>reference.err </dev/null &
	served=$!
	pids+=("$served")
	await 20000 reference_is_there
	input=reference.out expect 0 "$tool" helloworld.$language --phase child --count 1 --from - --warmup 0
	measured out exec_ns child 1
	other=json.$language
	input=reference.out expect 1 "$tool" $other --phase child --count 1 --from -
	said err "the snapshot holds helloworld.$language, not $other"
	kill "$served"
	finish "$served" 10000
done

if [[ " ${languages[*]} " == *" js "* ]]; then
	doing="a file of one's own"
	cat >own.js <<'END'
let calls = 0
console.log("loaded")
exports.handler = event => {
    if (event.fail)
        throw new RangeError("too much")
    calls++
    console.log("called")
    return event.count ? calls : event.value * 2
}
END
	expect 0 "$tool" own.js --event '{"value": 21}' --phase cold,child --count 1 --warmup 0
	[ "$(column out function | sort -u)" = own.js ] || fail "its name is $(column out function | sort -u)"
	said err '^called$'
	# Each child of the parent calls once more, and comes to another result.
	expect 1 "$tool" own.js --event '{"count": 1}' --phase child --count 1
	said err 'in the child the result differs from the parent'
	expect 0 "$tool" own.js --event '{"count": 1}' --phase child --count 1 --warmup 0 --no-compare
	expect 1 "$tool" own.js --event '{"fail": 1}' --phase cold
	said err "^mitosis-function: own.js: $PWD/own.js: RangeError: too much$"
	echo 'exports.handle = 1' >none.js
	expect 1 "$tool" none.js --phase cold
	said err 'there is no exports.handler(event) in it'
fi
if [[ " ${languages[*]} " == *" java "* ]]; then
	doing="Java that does not compile"
	echo 'class Function { static Object handler(java.util.Map<String, Object> x) { return y; } }' >wrong.java
	expect 1 "$tool" wrong.java --phase cold
	said err 'wrong.java:1: error: '
fi
doing=
