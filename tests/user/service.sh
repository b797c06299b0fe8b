# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# shellcheck shell=bash
# service.sh - for tests of services that run unmodified: one is taken by its number, under load all the time, and serves
# on while a child of it serves at another port, from the state of the instant.
# shellcheck source-path=SCRIPTDIR/.. source=lib.sh
. "$(dirname "$0")/../lib.sh"
need_python

ask() { "$python" "$tests_dir/user/service.py" ask "$kind" "$1" 2>ask.err; }
answers() { ask "$1" >/dev/null; }
free_port() { "$python" -c "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1])"; }

# timers_go_on PORT: of an HTTP server that answers /ticks with what a timer of its counts
ticks_of() { "$python" -c "import sys, urllib.request as u; print(int(u.urlopen(f'http://127.0.0.1:{sys.argv[1]}/ticks').read()))" "$1"; }
has_ticked() { (($(ticks_of "$1") > first + 10)); }
timers_go_on() {
	first=$(ticks_of "$1") || fail "no answer"
	await 10000 has_ticked "$1"
}

# start_service KIND PORT COMMAND...: in the background, until it answers
start_service() {
	kind=$1
	port_served=$2
	shift 2
	launch_parent /dev/null "$@"
	await 20000 answers_or_end
	alive "$parent" || fail "it ended: $(cat parent.out)"
}
answers_or_end() { answers "$port_served" || gone "$parent"; }

# serve_twice: what has been started
serve_twice() {
	local before got next new options
	background load.out load.err "$python" "$tests_dir/user/service.py" load "$kind" "$port_served"
	load=$!
	pids+=("$load")
	await 20000 has_line load.out '^under load$'
	before=$(grep -c . load.out)
	expect 0 "$parent_tool" --pid "$parent"
	cp out reference.out
	await_reference reference.out
	doing="the same port"
	run_child 20000 "$ref"
	expect_status 125
	expect_message "TCP port $port_served of "
	expect_message " is in use on this host; --publish $port_served=PORT "
	for options in "--mode eager" "--mode auto"; do
		doing=$options
		new=$(free_port)
		# shellcheck disable=SC2086
		start_child child $options --publish "$port_served=$new" "$ref"
		await 20000 answers "$new"
		got=$(ask "$new") || fail "the child: $(cat ask.err)"
		((got >= before)) || fail "the child counts from $got"
		for next in {1..10}; do
			[ "$(ask "$new")" = $((got + next)) ] || fail "the child: $(cat ask.err)"
		done
		"${and_then:-true}" "$new"
		alive "$load" || fail "the parent: $(cat load.err)"
		kill "$child"
		finish "$child" 10000
	done
	doing="the parent"
	alive "$load" || fail "$(cat load.err)"
	alive "$parent" || fail "it ended: $(cat parent.out)"
	kill "$load"
	finish "$load" 5000
	answers "$port_served" || fail "$(cat ask.err)"
	forget_parent
	doing=
}
