# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# shellcheck shell=bash
# rcbench.sh - what the tests of mitosis-rcbench share: its server on node1, records by column name.

# shellcheck source-path=SCRIPTDIR/.. source=../kernel/kernel.sh
. "$(dirname "$0")/../kernel/kernel.sh"

rcbench=$bin_dir/mitosis-rcbench
peer=$build_dir/tests/rcbench/peer

# start_server OPTION...: on node1, below $wrapper; its records go to server.out
wrapper=
start_server() {
	: >server.out
	: >server.err
	# shellcheck disable=SC2086
	"$tool" exec --timeout $((600 * patience)) node1 -- $wrapper "$rcbench" --server "$@" >server.out 2>server.err </dev/null &
	server=$!
	pids+=("$server")
	await 60000 grep -q 'listening' server.err
}

# stop_server: by SIGINT, which it takes as the end and no failure
stop_server() {
	kill -INT "$server"
	finish "$server" 60000
	[ "$status" = 0 ] || fail "the server's status is $status: $(cat server.err)"
	[ "$(grep -c . server.err)" = 1 ] || fail "the server says: $(cat server.err)"
}

# client OPTION...: on node2, from node1; records in out
client() { expect 0 lab exec --timeout 200 node2 -- "$rcbench" node1 "$@"; }

# column FILE NAME [CONDITION...]: a column of the records that meet NAME=VALUE
column() {
	local file=$1 name=$2
	shift 2
	awk -F '\t' -v name="$name" -v conditions="$*" '
		/^#/ { next }
		!seen { for (i = 1; i <= NF; i++) at[$i] = i; n = split(conditions, c, " "); seen = 1; next }
		{
			for (k = 1; k <= n; k++) {
				split(c[k], pair, "=")
				if ($at[pair[1]] != pair[2])
					next
			}
			print $at[name]
		}' "$file"
}
count() { column "$1" op "${@:2}" | grep -c .; }
# is N FILE CONDITION...: as many records
is() { [ "$(count "${@:2}")" = "$1" ] || fail "$(count "${@:2}") records with ${*:3}, not $1: $(head -n 5 "$2")"; }

# How many RDMA objects a node has; the number of a device changes when it is made anew.
resources() { lab exec --timeout 60 "$1" 'rdma resource show' </dev/null | sed 's/^[0-9]*: //'; }
remember_resources() { for node in $nodes; do resources "$node" >"resources.$node"; done; }
same_resources() { for node in $nodes; do [ "$(resources "$node")" = "$(cat "resources.$node")" ] || return 1; done; }
