#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# everything.sh - whatever a process can learn about itself is in the child as in its parent, or is named.
. "$(dirname "$0")/../lib.sh"
everything=$build_dir/tests/user/everything

# Of every child: its supervisor's promise to end with it, and that its stack is memory like other.
always='^(PR_GET_PDEATHSIG: [0-9]+, now 9|area:7f[0-9a-f]*: rw-p rd wr( [a-z]{2})*, now nothing)$'

# differences [EXTENDED-REGEX]: of the last child there are no others
differences() {
	expect_status 0
	[ "$(tail -n 1 child.out)" = "ok everything" ] || fail "$(cat child.out)"
	grep -Ev "$always${1:+|^($1)}|^ok everything$|^$" child.out >different && fail "$(cat different)"
}

# parent_with WHAT...: 77 if this host or user cannot
parent_with() {
	doing="$*"
	forget_parent
	status=0
	start_parent "$everything" "$@"
}
can() {
	: | "$everything" "$@" >can.out 2>&1
	local answer=$?
	[ "$answer" = 0 ] || [ "$answer" = 77 ] || fail "$*: status $answer: $(cat can.out)"
	return "$answer"
}

# carried WHAT...: and nothing is said
carried() {
	if ! can "$@"; then
		# One of several cannot be set here: the others can.
		local what
		[ $# != 1 ] || { echo "not here: $1: $(head -n 1 can.out)"; return; }
		for what; do
			carried "$what"
		done
		return
	fi
	parent_with "$@"
	# Not on demand: until all has come, private memory is left out of core dumps.
	run_child 20000 --mode eager "$ref"
	differences
	expect_silence
	run_child 20000 --mode eager --strict "$ref"
	differences
	expect_silence
}

# named WHAT REGEX TEXT: it differs, which is said once, and refused on demand
named() {
	can "$1" || { echo "not here: $1: $(head -n 1 can.out)"; return; }
	parent_with "$1"
	run_child 20000 --mode eager "$ref"
	differences "$2"
	expect_message "the child is not in all what its parent is: $3"
	[ "$(wc -l <child.err)" = 1 ] || fail "more than one message"
	run_child 20000 --strict "$ref"
	expect_status 125
	expect_message "refused, since the child would not be what its parent is: $3"
	[ ! -s child.out ] || fail "it ran"
}

carried nothing
carried nice batch ioprio slack personality subreaper thp mce flusher merge umask affinity mempolicy oom corefilter \
	barriers limits promise keepcaps bypass branch
carried fifo noroot bounded advice owner timer mlocal
if [ "$(id -u)" != 0 ] || others_reach "$everything"; then
	carried reset user
else
	echo "not here: another user: the build directory is for root alone"
fi
for one in idle keptuser nocaps fewcaps effective undumpable mdwe mdwe_alone; do
	carried "$one"
done

named pdeath 'PR_GET_PDEATHSIG: 10, now 9$' 'no signal tells it of the end of who started its parent (PR_SET_PDEATHSIG)'
named children 'children: 0, now 10$' "its parent's child processes are not its own"
named lock '(status:VmLck: |area:[0-9a-f]*: rw-p rd wr lo, now rw-p rd wr$)' 'its memory is not locked (mlock)'
named keyring 'process keyring: ' "it lacks its parent's thread and process keyrings"
named key 'session keyring: ' "it lacks the keys of its parent's session keyring"
named owner_other 'fd:[0-9]+: .* owner ' 'no signal of descriptor 3 goes to who got it (F_SETOWN)'
named mbind 'xxx' 'its memory areas have no memory policies of their own (mbind)'

# What the launcher has chosen for itself stays its own.
parent_with nothing
launcher=(nice -n 3)
for command in chrt ionice setarch prlimit choom setpriv; do
	command -v "$command" >/dev/null || launcher=()
done
if [ "$(id -u)" = 0 ] && [ "${#launcher[@]}" != 0 ]; then
	doing="another launcher"
	launcher+=(chrt --batch 0 ionice -c 2 -n 7 setarch --addr-no-randomize prlimit --core=1: --stack=4194304: choom -n 300 --
		setpriv --inh-caps +chown)
	background child.out child.err "${launcher[@]}" "$child_tool" --mode eager "$ref"
	child=$!
	pids+=("$child")
	finish "$child" 20000
	differences
	expect_silence
	doing="a user as launcher"
	chmod 755 .
	launcher=(setpriv --reuid=65534 --regid=65534 --clear-groups)
	if "${launcher[@]}" "$child_tool" --version >/dev/null 2>&1; then
		parent_with nothing
		background child.out child.err "${launcher[@]}" "$child_tool" --mode eager "$ref"
		child=$!
		pids+=("$child")
		finish "$child" 20000
		expect_status 0
		expect_message "it runs as user 65534, not 0; it runs as group 65534, not 0"
		no_line child.err 'it has .*capabilities' || fail "it has more rights"
	fi
fi
