#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
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
# A reference goes to a file on request, readable by its owner alone.
"$parent_tool" --interval 10ms --count 4 --reference ref >parent.out 2>parent.err || fail "--reference"
[[ $(<ref) =~ $reference ]] || fail "no reference in the file"
[ "$(stat -c %a ref)" = 600 ] || fail "mode of the file"
no_line parent.out '^mitosis.*://' || fail "the reference was printed as well"
