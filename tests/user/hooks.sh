#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# hooks.sh - functions that run around a snapshot and in children, whichever way these were prepared; and the number by
# which a child tells itself from its siblings.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
hooks_tool=$build_dir/tests/user/hooks

# start_outside COMMAND...: it says that it waits, and is taken by its number
start_outside() {
	forget_parent
	rm -f hold
	mkfifo hold || broken "mkfifo"
	launch_parent hold "$@"
	exec {hold_fd}>hold
	await 20000 waiting_or_end
	has_line parent.out '^waiting$' || fail "the parent ended: $(tail -n 1 parent.out)"
	"$parent_tool" --pid "$parent" >reference.out 2>reference.err || fail "$(cat reference.err)"
	await_reference reference.out
}
# children LINE: of the first, the second and one with a number of its own, by each way of fetching; N in the line
# is the number
children() {
	local options number=0
	while read -r options; do
		doing="$way, $options"
		number=$((number + 1))
		# shellcheck disable=SC2086
		run_child 20000 $options "$ref"
		expect_status 0
		expect_output "${1//N/$number}"
	done < <(all_modes)
	doing="$way, --number"
	run_child 20000 --number 4294967295 "$ref"
	expect_status 0
	expect_output "${1//N/4294967295}"
}
# parent_says LINE: at its end
parent_says() {
	doing="$way, the parent"
	end_parent
	expect_status 0
	has_line parent.out "$1" || fail "it says $(cat parent.out)"
	doing=
}

for way in self "self threads" "self altstack"; do
	# shellcheck disable=SC2086
	start_parent "$hooks_tool" $way
	# What ran before is in the snapshot, what undoes it is not.
	children "is N N 21rR own=0"
	parent_says '^parent 0 - 2113 own=0$'
done

while read -r program way said; do
	# shellcheck disable=SC2086
	doing="$program $way"
	start_outside "$build_dir/tests/user/$program" ${way//,/ }
	children "is N N rR $said"$'\n'"fork N N rR $said"
	parent_says "^is 0 -  own=[03]\$"
done <<-END
	hooks outside  blocked own=0
	hooks-static outside  blocked own=0
	hooks outside,threads  blocked own=0
	hooks outside,gone  blocked own=0
	hooks outside,altstack  on-stack blocked own=0
	hooks outside,own  blocked own=3
END

doing="numbers"
start_outside "$hooks_tool" outside
for wrong in 0 x 4294967296 -1; do
	expect 2 "$child_tool" --number "$wrong" "$ref"
	said err '^mitosis-child: --number: '
done
parent_says '^is 0 '

# Programs without the library: the variable, where they were started with it.
need_python
show='import ctypes, sys
get = ctypes.CDLL(None).getenv
get.restype = ctypes.c_char_p
print("waiting", flush=True)
sys.stdin.read(1)
print((get(b"MITOSIS_CHILD") or b"-").decode())'

way="no library"
start_outside env MITOSIS_CHILD=0000000000 "$python" -c "$show"
children N
[ "$(tr '\0' '\n' <"/proc/$parent/environ" | grep -c '^MITOSIS_CHILD=0000000000$')" = 1 ] || fail "the parent's is changed"
parent_says '^0000000000$'

way="one digit"
start_outside env MITOSIS_CHILD=0 "$python" -c "$show"
run_child 20000 "$ref"
expect_output 1
run_child 20000 --number 10 "$ref"
expect_status 0
expect_output 0
expect_message "its MITOSIS_CHILD is not 10, for which it has no room"
run_child 20000 --number 10 --strict "$ref"
expect_status 125
expect_message "its MITOSIS_CHILD is not 10"
parent_says '^0$'

way="no variable"
start_outside env -u MITOSIS_CHILD "$python" -c "$show"
run_child 20000 "$ref"
expect_status 0
expect_output -
run_child 20000 --number 1 "$ref"
expect_status 125
expect_message "a child cannot be told its number: its parent neither has libmitosis, nor was started with MITOSIS_CHILD "
parent_says '^-$'

doing="mitosis-parent with a command"
rm -f hold
mkfifo hold || broken "mkfifo"
: >reference.out
launch_parent hold "$parent_tool" --reference reference.out -- "$python" -c "$show"
exec {hold_fd}>hold
await 20000 has_line parent.out '^waiting$'
kill -USR1 "$parent"
await_reference reference.out
way="mitosis-parent with a command"
children N
parent_says '^0000000000$'

# The Python module: in a program that is taken by its number the main thread sees to it.
way="the Python module"
export PYTHONPATH=$tests_dir/../share/mitosis-exp/python PYTHONDONTWRITEBYTECODE=1
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || skip "CPython is older than 3.10"
cat >outside.py <<'END'
import os, random, ssl, sys
import mitosis
random.seed(7)
order = []
mitosis.at_resume(lambda: order.append("r"))
mitosis.at_resume(lambda: order.append("R"))
mitosis.at_prepare(lambda: order.append("p"), lambda: order.append("P"))
if sys.argv[1] == "self":
    snapshot = mitosis.prepare()
    print("waiting" if not snapshot else snapshot, flush=True)
else:
    print("waiting", flush=True)
sys.stdin.read(1)
print("is", mitosis.child_number(), os.environ.get("MITOSIS_CHILD"), "".join(order))
print("draws", random.getrandbits(64), ssl.RAND_bytes(16).hex())
END
for threads in "" "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()"; do
	{ echo "$threads"; cat outside.py; } >program.py
	start_outside "$python" program.py outside
	: >all
	for number in 1 2; do
		run_child 20000 --strict "$ref"
		expect_status 0
		has_line child.out "^is $number $number rR\$" || fail "it says $(cat child.out)"
		tail -n 1 child.out | tr ' ' '\n' | tail -n 2 >>all
	done
	[ "$(sort -u all | wc -l)" = 4 ] || fail "drawn twice: $(cat all)"
	# A child, once it has what it needs, can prepare itself as well.
	parent_says '^is 0 None $'
	way="the Python module, by itself"
	start_parent "$python" program.py self
	run_child 20000 "$ref"
	has_line child.out "^is 1 1 prR\$" || fail "it says $(cat child.out)"
	parent_says '^is 0 None pP$'
	way="the Python module"
done

doing="a signal that the program has taken"
cat >taken.py <<'END'
import signal
signal.signal(signal.SIGRTMAX, lambda *_: None)
import mitosis
mitosis.at_resume(print)
END
expect 0 "$python" taken.py
said err '^no function runs in children of snapshots that are taken from outside: SIGRTMAX has a handler$'

doing="functions that fail"
cat >fails.py <<'END'
import mitosis
order = []
mitosis.at_prepare(lambda: order.append("never"), lambda: order.append("undo never"))
def fail():
    order.append("fail")
    raise KeyError("no")
mitosis.at_prepare(fail, lambda: order.append("undo fail"))
mitosis.at_prepare(lambda: order.append("first"), lambda: order.append("undo first"))
try:
    mitosis.prepare()
except KeyError:
    print(order)
END
expect 0 "$python" fails.py
said out "^\['first', 'fail', 'undo fail', 'undo first'\]$"
for wrong in 'at_prepare(None)' 'at_prepare(print, 1)' 'at_resume(1)'; do
	expect 1 "$python" -c "import mitosis; mitosis.$wrong"
	said err "not callable"
done
