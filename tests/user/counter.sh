#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# counter.sh - the first remote fork: the common parent's counter goes on in children.
. "$(dirname "$0")/../lib.sh"

start_parent "$parent_tool" --interval 10ms --after 3 --wss 4M
while read -r options; do
	doing=$options
	# shellcheck disable=SC2086
	start_child child $options "$ref"
	await 10000 has_line child.out '^tick 9$'
	[ "$(head -n 1 child.out)" = "tick 4" ] || fail "the child began with $(head -n 1 child.out)"
	kill -TERM "$child"
	finish "$child" 2000
	expect_status 143
	expect_silence
done < <(all_modes)
doing=

# Through a pipe: the first reference counts, the rest is drained.
"$parent_tool" --interval 10ms --count 30 2>parent.err | "$child_tool" - >child.out 2>child.err &
child=$!
pids+=("$child")
await 10000 has_line child.out '^tick 9$'
kill -TERM "$child"
finish "$child" 2000

# The end of the count is the end of the child, with its status.
start_parent "$parent_tool" --interval 20ms --after 2 --count 80 --lifetime 60s
find_shadow
cleanups+=("kill $shadow")
finish "$parent" 5000
alive "$shadow" || fail "the snapshot ended with its parent, in spite of --lifetime"
run_child 10000 "$ref"
expect_status 0
[ "$(<child.out)" = "$(seq -f 'tick %g' 3 80)" ] || fail "output: $(cat child.out)"

"$bin_dir/mitosis-ls" --release "$ref" >ls.out 2>ls.err || fail "mitosis-ls --release"
await 1000 gone "$shadow"
cleanups=()

# A listening address of choice, IPv6 where there is one.
start_parent "$parent_tool" --interval 10ms --listen '127.0.0.1:0' --label test
[[ $ref =~ ${reference}127\.0\.0\.1:[0-9]+/ ]] || fail "$ref"
if [ -e /proc/net/if_inet6 ] && grep -q ' lo$' /proc/net/if_inet6; then
	start_parent "$parent_tool" --interval 10ms --listen '[::1]'
	[[ $ref =~ ${reference}\[::1\]:[0-9]+/ ]] || fail "$ref"
	start_child child "$ref"
	await 5000 has_line child.out '^tick 9$'
	kill "$child"
fi

doing="without standard streams"
start_parent "$parent_tool" --interval 10ms --count 100 --lifetime 60s
find_shadow
cleanups+=("kill $shadow")
status=0
timeout 60 "$child_tool" "$ref" </dev/null >&- 2>child.err || status=$?
[ "$status" = 1 ] || fail "no standard output: status $status"
[ "$(<child.err)" = "mitosis-parent: write error: Bad file descriptor" ] || fail "no standard output: $(<child.err)"
status=0
timeout 60 "$child_tool" "$ref" >child.out 2>child.err <&- || status=$?
[ "$status" = 0 ] && expect_silence && [ "$(tail -n 1 child.out)" = "tick 100" ] || fail "no standard input: status $status"
# A program that resumes in itself, by the library alone.
if [ -n "$python" ]; then
	export PYTHONPATH=$tests_dir/../share/mitosis-exp/python PYTHONDONTWRITEBYTECODE=1
	status=0
	timeout 60 "$python" -c 'import mitosis, sys; mitosis.resume(sys.argv[1])' "$ref" </dev/null >&- 2>child.err || status=$?
	[ "$status" = 1 ] && [ "$(<child.err)" = "mitosis-parent: write error: Bad file descriptor" ] ||
		fail "by the library: status $status: $(<child.err)"
fi

doing="a full disk"
status=0
timeout 60 "$parent_tool" --interval 1h >/dev/full 2>parent.err || status=$?
[ "$status" = 1 ] && [ "$(<parent.err)" = "mitosis-parent: write error: No space left on device" ] ||
	fail "status $status: $(<parent.err)"
doing=

# A file for the reference that is there already is its owner's alone from then on.
touch refs
chmod 644 refs
expect 0 "$parent_tool" --interval 10ms --count 4 --reference refs
[ "$(wc -l <refs)" = 1 ] && [ "$(stat -c %a refs)" = 600 ] || fail "mode of the file that was there: $(stat -c %a refs)"

doing="wrong usage, before the first tick"
for wrong in "--listen foo" "--listen 127.0.0.1:99999" "--engine nosuch" "--lifetime 1x"; do
	# shellcheck disable=SC2086
	expect 2 "$parent_tool" $wrong
	[ ! -s out ] || fail "$wrong: it counts: $(cat out)"
done
# Of the range for documentation, which no host has; and a port where somebody listens.
start_parent "$parent_tool" --interval 10ms
for wrong in "203.0.113.9: this host has no such address" "203.0.113.9:7000: this host has no such address" \
	"127.0.0.1:$port: Address already in use"; do
	expect 1 "$parent_tool" --interval 10ms --count 5 --listen "${wrong%: *}"
	[ ! -s out ] || fail "${wrong%: *}: it counts: $(cat out)"
	said err "^mitosis-parent: --listen: $wrong\$"
	expect 125 "$parent_tool" --listen "${wrong%: *}" --on USR1 -- echo run
	[ ! -s out ] || fail "${wrong%: *}: it runs the command: $(cat out)"
	said err "^mitosis-parent: --listen: $wrong\$"
done
forget_parent
if ! [ -e /dev/mitosis ]; then
	expect 77 "$parent_tool" --engine kernel
	[ ! -s out ] && said err '/dev/mitosis' || fail "engine kernel: $(cat out err)"
	expect 125 "$parent_tool" --engine kernel --on USR1 -- true
fi
doing=

# A reference goes to a file on request, readable by its owner alone.
"$parent_tool" --interval 10ms --count 4 --reference ref >parent.out 2>parent.err || fail "--reference"
[[ $(<ref) =~ $reference ]] || fail "no reference in the file"
[ "$(stat -c %a ref)" = 600 ] || fail "mode of the file"
no_line parent.out '^mitosis.*://' || fail "the reference was printed as well"

# A reference that is lost is said once, and takes its snapshot along, whatever the lifetime.
label=lost-$$
none_left() {
	"$bin_dir/mitosis-ls" >ls.out 2>ls.err
	has_line ls.out '^reference' && no_line ls.out "$label"
}
lose=("$parent_tool" --interval 10ms --after 2 --label "$label" --lifetime 60s)
doing="a file that cannot be made"
expect 1 "${lose[@]}" --reference no-such-directory/ref
[ "$(cat err)" = "mitosis-parent: no-such-directory/ref: No such file or directory; the snapshot is released" ] || fail "$(cat err)"
none_left || fail "the snapshot is still there"
doing="a full disk"
expect 1 "${lose[@]}" --reference /dev/full
[ "$(cat err)" = "mitosis-parent: /dev/full: No space left on device; the snapshot is released" ] || fail "$(cat err)"
status=0
"${lose[@]}" >/dev/full 2>err || status=$?
[ "$status" = 1 ] && [ "$(cat err)" = "mitosis-parent: write error: No space left on device" ] || fail "status $status: $(cat err)"
none_left || fail "the snapshot is still there"
doing="a reader that has gone"
mkfifo gone
exec {both}<>gone {writer}>gone {both}>&-
status=0
(trap '' PIPE && exec "${lose[@]}" --listen 0.0.0.0 >&"$writer" 2>err) || status=$?
exec {writer}>&-
[ "$status" = 141 ] && [ ! -s err ] || fail "status $status: $(cat err)"
none_left || fail "the snapshot is still there"

doing="a program that goes on"
cat >program.sh <<'END'
trap 'echo more' USR2
echo waiting
while sleep 0.01; do :; done
END
for listen in 127.0.0.1 0.0.0.0 ::; do
	[ "$listen" != :: ] || [ -e /proc/net/if_inet6 ] || continue
	start=("$parent_tool" --on USR1 --label "$label" --lifetime 60s --listen "$listen")
	for file in no-such-directory/ref /dev/full; do
		background parent.out parent.err "${start[@]}" --reference "$file" -- bash program.sh
		parent=$!
		pids+=("$parent")
		await 10000 has_line parent.out '^waiting$'
		kill -USR1 "$parent"
		await 10000 has_line parent.err "^mitosis-parent: $file: N.*; the snapshot is released$"
		[ "$(wc -l <parent.err)" = 1 ] || fail "not one message"
		none_left || fail "$file: the snapshot is still there"
		kill -USR2 "$parent"
		await 10000 has_line parent.out '^more$'
		kill "$parent"
		finish "$parent" 5000
		[ "$status" = 143 ] || fail "it did not end as its command: status $status"
	done
done
: >parent.err
