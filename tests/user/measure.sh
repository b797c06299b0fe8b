#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# The measuring tools: as many records as were asked for, the columns that were promised, parents that
# serve other hosts, replayed working sets; nothing is left behind.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# Parents of one engine, so that the numbers of records do not depend on the machine.
tool() { local name=$1; shift; "$bin_dir/mitosis-$name" "$@" >out 2>err; }
records() { grep -vc '^#' out | awk '{ print $1 - 1 }'; }
# column NAME: its values, one a line
column() { awk -F'\t' -v name="$1" '/^#/ { next } !c { for (i = 1; i <= NF; i++) if ($i == name) c = i; next } { print $c }' out; }
count() { local n; n=$(records); [ "$n" = "$1" ] || fail "$n records, not $1: $(cat out err)"; }
export TMPDIR=$work_dir/tmp
mkdir "$TMPDIR" || exit 99

doing=prepare
tool prepare --engine user,local --wss 1M,2M --count 2 || fail "status $?: $(cat err)"
count 8
[ "$(column pages | grep -c '^[1-9]')" = 4 ] || fail "pages of the snapshots: $(cat out)"

doing="huge pages"
if tool prepare --engine local --wss 4M --count 1 --huge; then
	[ "$(column huge)" = 1 ] || fail "$(cat out)"
	# The host has some, this process may have none.
	tool prepare --engine local --wss 1M --count 1 --huge && fail "smaller than a huge page, and no error"
	said err '^mitosis-prepare: --huge: 1M: smaller than a huge page$'
	if [ -x "$python" ]; then
		PR_SET_THP_DISABLE=41
		"$python" -c 'import ctypes, os, sys; ctypes.CDLL(None).prctl(int(sys.argv[1]), 1, 0, 0, 0) and sys.exit(9); os.execv(sys.argv[2], sys.argv[2:])' \
			"$PR_SET_THP_DISABLE" "$bin_dir/mitosis-prepare" --engine local --wss 4M --count 1 --huge >out 2>err && fail "no huge pages, and no error"
		said err '^mitosis-prepare: --huge: 4M: the kernel gives no huge pages'
	fi
else
	said err '^mitosis-prepare: --huge: 4M: the kernel gives no huge pages'
fi

doing=resume
tool resume --wss 1M --count 3 --parallel 1,2 --mode demand,eager || fail "status $?: $(cat err)"
count 12
column resume_ns | grep -qvE '^[1-9][0-9]*$' && fail "resume_ns: $(cat out)"

if "$helper_tool" uffd >/dev/null; then
	doing="replay"
	tool resume --wss 4M --touch 20 --replay --no-push --count 3 || fail "status $?: $(cat err)"
	count 6
	[ "$(column replay | sort | uniq -c | tr -s ' \n' ' ')" = " 3 0 3 1 " ] || fail "replay: $(column replay)"
	column touched_ns | grep -qvE '^[1-9][0-9]*$' && fail "touched_ns: $(cat out)"
fi
[ -z "$(ls -A "$TMPDIR")" ] || fail "left behind: $(ls -A "$TMPDIR")"

doing="interrupted, into a file"
for name in prepare resume exectime; do
	background cut cut.err env --default-signal=INT "$bin_dir/mitosis-$name" --wss 1M --count 1000000
	running=$!
	pids+=("$running")
	await 10000 has_line cut '^user'
	kill -INT "$running"
	finish "$running" 5000
	[ "$status" = 130 ] && [ "$(tail -c 1 cut | od -An -c | tr -d ' ')" = '\n' ] || fail "$name: status $status: $(tail -n 2 cut cut.err)"
done

doing=exectime
tool exectime --wss 1M --touch 10,100 --pattern seq,random --access read,write --count 1 || fail "status $?: $(cat err)"
count 48

# serve TOOL OPTION...: its references in $refs, its pid in $server
serve() {
	local name=$1 lines=$2
	shift 2
	background refs serve.err "$bin_dir/mitosis-$name" --serve "$@"
	server=$!
	pids+=("$server")
	has_lines() { [ "$(wc -l <refs)" = "$lines" ] || gone "$server"; }
	await 10000 has_lines
	mapfile -t refs <refs
	[ "${#refs[@]}" = "$lines" ] || fail "references: $(cat refs serve.err)"
}
end_serve() {
	kill -INT "$server"
	finish "$server" 5000
	[ "$status" = 0 ] || fail "the server's status is $status"
	"$bin_dir/mitosis-ls" "${refs[0]}" >/dev/null 2>&1 && fail "the snapshot outlived its server"
	return 0
}

doing="resume, served"
serve resume 2 --engine user --wss 1M,2M --touch 10
tool resume --count 2 "${refs[@]}" || fail "status $?: $(cat err)"
count 4
[ "$(column wss | tr '\n' ' ')" = "1048576 1048576 2097152 2097152 " ] || fail "$(cat out)"
grep -q "${refs[0]##*/}" out && fail "the UUID is in the comment line"
# A reference is a key: not for those who read the arguments of others, or a log.
background out err "$bin_dir/mitosis-resume" --count 1000000 "${refs[0]}"
running=$!
pids+=("$running")
await 10000 has_line out '^user'
grep -q "${refs[0]##*/}" "/proc/$running/cmdline" && fail "the UUID is in the arguments: $(tr '\0' ' ' <"/proc/$running/cmdline")"
kill "$running"
finish "$running" 5000
"$bin_dir/mitosis-resume" --count 1 - <refs >out 2>err || fail "references on standard input: status $?: $(cat err)"
count 2
status=0
tool resume --wss 1M "${refs[0]}" || status=$?
[ "$status" = 2 ] && ! grep -q "${refs[0]##*/}" err || fail "status $status: $(cat err)"
end_serve
tool resume --count 1 "${refs[0]}" && fail "a snapshot that is gone is no error"

doing="served to a full disk"
for name in resume exectime; do
	status=0
	timeout 60 "$bin_dir/mitosis-$name" --serve --wss 1M,2M >/dev/full 2>err || status=$?
	[ "$status" = 1 ] && [ "$(cat err)" = "mitosis-$name: write error: No space left on device" ] ||
		fail "$name: status $status: $(cat err)"
done

doing="children per second"
tool resume --wss 1M --count 20 --parallel 2 --warmup 0 || fail "status $?: $(cat err)"
count 20
[ "$(column children_per_s | grep -c '^[1-9]')" = 10 ] || fail "not ten stretches: $(cat out)"

doing="a rate"
tool resume --wss 1M --rate 20:1s,50:500ms --parallel 4 || fail "status $?: $(cat err)"
[ "$(column step | sort -u | tr '\n' ' ')" = "0 1 " ] && [ "$(column rate | sort -u | tr '\n' ' ')" = "20 50 " ] || fail "$(cat out)"
# They are due at the same times in each run; none is due before its step, or after it.
column at_ns | sort -n >due
tool resume --wss 1M --rate 20:1s,50:500ms || fail "status $?: $(cat err)"
column at_ns | sort -n | cmp -s - due || fail "others were due: $(column at_ns)"
[ "$(tail -n 1 due)" -lt 1500000000 ] && [ "$(wc -l <due)" -ge 20 ] || fail "due were $(cat due)"
tool resume --wss 1M --rate 100 --count 7 || fail "status $?: $(cat err)"
count 7

doing="held children"
tool resume --wss 4M --touch 100 --hold --count 6 --parallel 3 --warmup 0 || fail "status $?: $(cat err)"
count 6
[ "$(column pss_bytes | awk '$1 >= 4 * 1048576' | wc -l)" = 6 ] || fail "they hold $(column pss_bytes)"
tool resume --wss 4M --hold --count 2 --parallel 2 --warmup 0 --no-push || fail "status $?: $(cat err)"
[ "$(column pss_bytes | awk '$1 < 4 * 1048576' | wc -l)" = 2 ] || fail "untouched, they hold $(column pss_bytes)"

doing="without forking"
tool exectime --parallel 1,3 --wss 1M --count 5 || fail "status $?: $(cat err)"
count 20
[ "$(column phase | sort -u)" = warm ] && [ "$(column execs_per_s | grep -c '^[1-9]')" -ge 6 ] || fail "$(cat out)"

# One process cannot execute more often than its shortest execution allows, however late it is heard of.
tool exectime --parallel 1 --wss 1M --count 100 || fail "status $?: $(cat err)"
{ column exec_ns | sort -n | head -n 1; column execs_per_s | grep '^[1-9]'; } |
	awk 'NR == 1 { most = 1e9 / $1; next } $1 > most * 1.001 { exit 1 }' || fail "too many per second: $(cat out)"

doing="exectime, every page"
tool exectime --each --wss 1M --touch 50 --phase fork,child --count 1 || fail "status $?: $(cat err)"
count 256
tool exectime --each --wss 64K --touch 1 --phase fork --count 1 || fail "less than a page: status $?: $(cat err)"
count 0

doing="exectime, served"
serve exectime 2 --engine user --wss 1M --touch 10,50
tool exectime --count 2 "${refs[@]}" || fail "status $?: $(cat err)"
count 8
"$bin_dir/mitosis-exectime" --count 1 - <refs >out.stdin 2>err || fail "references on standard input: status $?: $(cat err)"
[ "$(grep -c '^user' out.stdin)" = 4 ] || fail "references on standard input: $(cat out.stdin)"
[ "$(column touch | sort | uniq -c | tr -s ' \n' ' ')" = " 4 10 4 50 " ] || fail "$(cat out)"
end_serve

doing="a snapshot of another program"
start_parent "$parent_tool" --engine user --count 1000 --interval 20ms
tool resume --count 1 "$ref" && fail "it is no error"
grep -q 'no mitosis-resume --serve' err || fail "$(cat err)"
kill "$parent"
finish "$parent" 5000

doing="no reference"
status=0
tool resume - </dev/null || status=$?
[ "$status" = 1 ] && [ "$(cat err)" = "mitosis-resume: standard input: ended without a reference" ] || fail "status $status: $(cat err)"

doing="engine kernel, where it cannot run"
if ! [ -e /dev/mitosis ]; then
	for name in prepare resume exectime; do
		status=0
		tool "$name" --engine kernel --wss 1M --count 1 || status=$?
		[ "$status" = 77 ] || fail "$name: status $status, not 77"
		grep -q '/dev/mitosis' err || fail "$name: $(cat err)"
		tool "$name" --engine kernel,user --wss 1M --count 1 || fail "$name, two engines: status $?: $(cat err)"
		grep -q 'left out' err || fail "$name: $(cat err)"
	done
fi

doing="on demand, where it is not allowed"
# In a directory of his.
as_nobody() { (cd / && exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"); }
if [ "$(id -u)" = 0 ] && as_nobody true && as_nobody test -x "$bin_dir" && ! as_nobody "$helper_tool" uffd >/dev/null; then
	for name in resume exectime; do
		status=0
		as_nobody "$bin_dir/mitosis-$name" --wss 1M --count 1 >out 2>err || status=$?
		[ "$status" = 77 ] && [ ! -s out ] || fail "$name: status $status, not 77: $(cat out err)"
		[ "$(cat err)" = "mitosis-$name: userfaultfd: Operation not permitted: memory cannot be fetched on demand (mitosis-check says what to do)" ] ||
			fail "$name: $(cat err)"
	done
	as_nobody "$bin_dir/mitosis-resume" --wss 1M --count 2 --mode demand,eager >out 2>err || fail "two modes: status $?: $(cat err)"
	[ "$(column mode | sort -u)" = eager ] && grep -q 'left out' err || fail "two modes: $(cat out err)"
	as_nobody "$bin_dir/mitosis-exectime" --wss 1M --count 1 --mode eager >out 2>err || fail "eager: status $?: $(cat err)"
	count 6
fi

doing="engine criu, where it cannot run"
mkdir criu
printf '#!/bin/sh\necho "(0.1) Error (criu/x.c:1): this kernel: too odd"\nexit 1\n' >criu/criu
chmod +x criu/criu
for name in prepare resume exectime; do
	status=0
	PATH=$PWD/criu:$PATH tool "$name" --engine criu --wss 1M --count 1 || status=$?
	[ "$status" = 77 ] || fail "$name: status $status, not 77"
	[ "$(cat err)" = "mitosis-$name: criu: warning: does not work on this kernel: criu check: Error (criu/x.c:1): this kernel: too odd: left out" ] ||
		fail "$name: $(cat err)"
	[ ! -s out ] || fail "$name: $(cat out)"
	PATH=$PWD/criu:$PATH tool "$name" --engine criu,user --wss 1M --count 1 || fail "$name, two engines: status $?: $(cat err)"
	[ "$(column engine | sort -u)" = user ] || fail "$name: $(cat out)"
done
[ -z "$(ls -A "$TMPDIR")" ] || fail "left behind: $(ls -A "$TMPDIR")"

doing="wrong usage"
for wrong in "resume --replay" "resume --replay --touch 5 --mode eager" "resume --serve --engine local" \
	"resume --wss 1M mitosis://127.0.0.1:1/x" "exectime --touch 5 mitosis://127.0.0.1:1/x" "exectime --engine exec" \
	"prepare --engine exec" "prepare extra" "resume --rate 0" "resume --rate 5:0s" "resume --rate 5 --replay --touch 5" \
	"resume --hold --engine local" "exectime --parallel 2 --engine user" \
	"resume --engine criu mitosis://127.0.0.1:1/x" "resume --engine criu --serve" "resume --engine criu --parallel 1,2" \
	"resume --engine criu --replay --touch 5" "resume --engine criu --hold" "resume --engine criu --rate 5" \
	"resume --listen foo" "exectime --listen 127.0.0.1:x" "resume --serve --listen [::1" "prepare --wss 0" "exectime --wss 1M,0" "exectime --each --touch 0" \
	"resume --count 1 xyz" "exectime --count 1 xyz" \
	"resume --images /tmp" "resume --copy-to /tmp" "prepare --images /tmp" "exectime --images /tmp" \
	"exectime --engine criu --serve" "exectime --engine criu mitosis://127.0.0.1:1/x"; do
	status=0
	# shellcheck disable=SC2086
	tool $wrong </dev/null || status=$?
	[ "$status" = 2 ] || fail "$wrong: status $status, not 2"
done

doing="an address that no host has"
for wrong in "resume --count 1" "exectime --count 1" "resume --serve" "exectime --serve"; do
	status=0
	# shellcheck disable=SC2086
	tool $wrong --wss 1M --listen 203.0.113.9 </dev/null || status=$?
	[ "$status" = 1 ] || fail "$wrong: status $status, not 1"
	[ ! -s out ] || fail "$wrong: it measures: $(cat out)"
	said err '--listen: 203.0.113.9: this host has no such address$'
done
exit 0
