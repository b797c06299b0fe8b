# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# shellcheck shell=bash
# lib.sh - what the shell tests share: needs, failure, cleanup, parents and children.
#
# A test sources it from its own directory's parent and finds itself in a temporary directory that
# vanishes with it. It runs in the build directory (make check does), or with MITOSIS_BUILDDIR set.
# Exit status: 0 pass, 77 skip, 99 the test could not be set up, else fail.
set -u
export LC_ALL=C

# As started by nohup(1): what is under test would ignore SIGHUP, too, and no shell can take that back.
if (((0x$(sed -n 's/^SigIgn:[[:space:]]*//p' "/proc/$$/status") & 1) && !${MITOSIS_TEST_AGAIN:-0})); then
	MITOSIS_TEST_AGAIN=1 exec env --default-signal=HUP bash "$0" "$@"
fi
test_name=$(basename "$0" .sh)
test_file=$(realpath "$0") || exit 99
tests_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd) || exit 99
build_dir=${MITOSIS_BUILDDIR:-$PWD}
bin_dir=$build_dir/bin
if [ ! -x "$bin_dir/mitosis-child" ]; then
	echo "$0: no $bin_dir/mitosis-child: run this in the build directory, or set MITOSIS_BUILDDIR" >&2
	exit 99
fi
export MITOSIS_LIBRARY=${MITOSIS_LIBRARY:-$build_dir/.libs/libmitosis.so}
parent_tool=$bin_dir/mitosis-parent
child_tool=$bin_dir/mitosis-child
export MITOSIS_TEST_CHILD=$child_tool	# for states that have children of their own
state_tool=$build_dir/tests/user/state
helper_tool=$build_dir/tests/user/helper
# MITOSIS_TEST_ENGINE: what the parents of the tests are prepared with, instead of what they find.
case ${MITOSIS_TEST_ENGINE:-} in
kernel) reference='^mitosis\+rdma://' ;;
user) reference='^mitosis://' ;;
*) reference='^mitosis(\+rdma)?://' ;;
esac
# Not a version manager's wrapper: the interpreter itself is what becomes a parent.
python=/usr/bin/python3
[ -x "$python" ] || python=$(command -v python3 || true)

# A build's own pipes (make's job server) are nothing that a parent should have open.
for fd in /proc/self/fd/*; do
	fd=${fd##*/}
	# 255 is bash's own, the script.
	if ((fd > 2 && fd != 255)); then
		eval "exec $fd>&-"
	fi
done

work_dir=$(mktemp -d "${TMPDIR:-/tmp}/mitosis-$test_name.XXXXXX") || exit 99
cd "$work_dir" || exit 99
pids=()			# what the test started, ended by pid at exit
copiers=()		# those of a parent's output
cleanups=()
doing=			# for messages: the part of the test that is running

clean_up() {
	local status=$? pid command
	trap - EXIT
	{
		for pid in "${pids[@]}" "${copiers[@]}"; do
			kill -KILL "$pid"
		done
		# Not for a copier of the test's own whose pipe a process still has that nobody ended.
		wait "${pids[@]}" "${copiers[@]}"
	} 2>/dev/null
	for command in "${cleanups[@]}"; do
		$command
	done
	cd / && rm -rf "$work_dir"
	exit "$status"
}
trap clean_up EXIT
trap 'exit 1' INT TERM HUP

# ---- verdicts ----

# fail TEXT...: say where, show what the programs said, stop
fail() {
	local i file
	echo "$test_name: FAILED: ${doing:+$doing: }$*" >&2
	for ((i = 1; i < ${#FUNCNAME[@]}; i++)); do
		echo "    at ${BASH_SOURCE[i]##*/}:${BASH_LINENO[i-1]} (${FUNCNAME[i]})" >&2
	done
	for file in "$work_dir"/*.err; do
		[ -s "$file" ] && sed "s|^|    ${file##*/}: |" "$file" >&2
	done
	exit 1
}

skip() {
	if [ -n "${MITOSIS_NOSKIP:-}" ]; then
		fail "not skipped as MITOSIS_NOSKIP is set: $*"
	fi
	echo "$test_name: skipped: $*" >&2
	exit 77
}

broken() {
	echo "$test_name: cannot be set up: $*" >&2
	exit 99
}

need_root() { [ "$(id -u)" = 0 ] || skip "needs root"; }
need_command() {
	local command
	for command; do
		command -v "$command" >/dev/null || skip "needs $command"
	done
}
need_python() { [ -x "$python" ] || skip "needs python3"; }
need_uffd() { "$helper_tool" uffd >/dev/null || skip "userfaultfd is not available to this user"; }
need_module() { [ -c /dev/mitosis ] || skip "needs the kernel module (/dev/mitosis)"; }
need_rdma() { [ -n "$(ls /sys/class/infiniband 2>/dev/null)" ] || skip "needs an RDMA device"; }
# why_not [OPTION]... [-- USER...]: the reason why unshare(1) cannot make namespaces of these kinds here, as it is or
# by a command that changes the user; nothing if it can
why_not() {
	local kinds=() said
	while [ $# != 0 ] && [ "$1" != -- ]; do
		kinds+=("$1")
		shift
	done
	[ $# = 0 ] || shift
	said=$("$@" unshare "${kinds[@]}" true 2>&1) && return
	if [[ ${kinds[*]} == -U* ]]; then
		echo "no user namespaces can be made here, as in a chroot, or where unprivileged users may not: $said"
	elif ! awk '$5 == "/" { found = 1 } END { exit !found }' /proc/self/mountinfo; then
		echo "no namespaces can be made here: a chroot whose root directory is no mount point"
	else
		echo "no namespaces can be made here: $said"
	fi
}
# need_namespaces OPTION...: of unshare(1)
need_namespaces() {
	local reason
	reason=$(why_not "$@")
	[ -z "$reason" ] || skip "$reason"
}
need_lab() {
	need_command qemu-system-x86_64
	[ -x "$bin_dir/mitosis-lab" ] || broken "no $bin_dir/mitosis-lab"
}

# own_hosts LINE...: the rest of the test runs in namespaces of its own, where these lines are the hosts file
# and the network is the loopback device alone.
own_hosts() {
	local how
	if [ -n "${MITOSIS_TEST_HOSTS:-}" ]; then
		printf '%s\n' "$@" >hosts
		mount --bind hosts /etc/hosts || broken "mount"
		ip link set lo up || broken "lo"
		return
	fi
	need_command ip
	# As root of a user namespace, too, if that is what there is.
	for how in -mn -Urmn; do
		unshare $how true 2>/dev/null || continue
		export MITOSIS_TEST_HOSTS=1 MITOSIS_BUILDDIR=$build_dir
		unshare $how "$test_file"
		exit
	done
	skip "namespaces cannot be made here"
}

# others_reach FILE: can a user without rights, too? Not where root has built in a directory of its own.
others_reach() { (cd / && setpriv --reuid=65534 --regid=65534 --clear-groups test -r "$1") 2>/dev/null; }

# ---- commands ----

# expect STATUS COMMAND...: run it, output in out and err
expect() {
	local wanted=$1
	shift
	status=0
	"$@" >out 2>err <"${input:-/dev/null}" || status=$?
	[ "$status" = "$wanted" ] || fail "status $status instead of $wanted: $*: $(tail -n 3 err)"
}

# said FILE PATTERN
said() { grep -q -e "$2" "$1" || fail "$1 does not say '$2': $(head -n 5 "$1")"; }

# ---- waiting ----

now_ms() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }

# Every limit of time is so many times longer: for a debug kernel, or a machine that has much else to do.
patience=${MITOSIS_TEST_PATIENCE:-1}

# await MS COMMAND...: until the command succeeds, or fail after MS milliseconds
await() {
	local limit=$(($1 * patience)) end
	shift
	end=$(($(now_ms) + limit))
	until "$@" 2>/dev/null; do
		(($(now_ms) < end)) || fail "not within $limit ms: $*"
		sleep 0.01
	done
}

# A zombie is as good as gone.
gone() {
	local stat
	{ stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 0
	stat=${stat##*) }
	[ "${stat%% *}" = Z ]
}
alive() { ! gone "$1"; }

# finish PID MS: wait for a process that the test started; its exit status is left in $status
finish() {
	local i
	await "$2" gone "$1"
	status=0
	wait "$1" 2>/dev/null || status=$?
	# Its number may be another's from now on.
	for i in "${!pids[@]}"; do
		[ "${pids[i]}" != "$1" ] || unset "pids[i]"
	done
}

has_line() { grep -q -- "$2" "$1"; }
no_line() { ! grep -q -- "$2" "$1"; }

# ---- parents and children ----

# start_parent COMMAND...: in the background, held by an open pipe on standard input (its end ends
# the state programs). Leaves its pid in $parent and, once it is printed, its reference in $ref.
# What it says goes to parent.out and parent.err.
start_parent() {
	forget_parent
	rm -f hold
	mkfifo hold || broken "mkfifo"
	launch_parent hold "$@"
	exec {hold_fd}>hold
	await_reference parent.out
}

# launch_parent STDIN COMMAND...: in the background. What it says goes to parent.out and parent.err by pipes: a child
# would have a word about a file that its parent wrote to.
launch_parent() {
	local in=$1
	shift
	rm -f parent.out parent.err parent.out.pipe parent.err.pipe
	mkfifo parent.out.pipe parent.err.pipe || broken "mkfifo"
	: >parent.out
	: >parent.err
	cat parent.out.pipe >>parent.out &
	copiers=("$!")
	cat parent.err.pipe >>parent.err &
	copiers+=("$!")
	"$@" <"$in" >parent.out.pipe 2>parent.err.pipe &
	parent=$!
	pids+=("$parent")
}

# The same, of a program that waits for the snapshot to be taken from outside (MITOSIS_TEST_BY_PID).
start_waiting_parent() {
	forget_parent
	rm -f hold
	mkfifo hold || broken "mkfifo"
	launch_parent hold "$@"
	exec {hold_fd}>hold
	await 10000 waiting_or_end
	has_line parent.out '^waiting$' || fail "the parent ended: $(tail -n 1 parent.out)"
	"$parent_tool" --pid "$parent" >reference.out 2>reference.err || fail "$(cat reference.err)"
	await_reference reference.out
	echo >&"$hold_fd"
	await 10000 has_line parent.out '^goes on$'
}
waiting_or_end() { has_line parent.out '^waiting$' || gone "$parent"; }

# The last parent is not needed any more.
forget_parent() {
	if [ -n "${hold_fd:-}" ]; then
		exec {hold_fd}>&-
		hold_fd=
	fi
	if [ -n "${parent:-}" ]; then
		kill -KILL "$parent" 2>/dev/null
		wait "$parent" 2>/dev/null
		parent=
	fi
}

await_reference() {
	await 10000 reference_or_end "$1"
	ref=$(grep -m 1 -E "$reference" "$1") || fail "the parent ended without a reference"
	port=${ref#*://}
	port=${port%/*}
	port=${port##*:}
}
reference_or_end() { grep -Eq "$reference" "$1" || gone "$parent"; }

# Let a parent that start_parent started go; its status is left in $status.
end_parent() {
	exec {hold_fd}>&-
	hold_fd=
	finish "$parent" 5000
	await 5000 gone "${copiers[0]}"
	await 5000 gone "${copiers[1]}"
	parent=
}

# The shadow's pid, by the kernel's table of sockets.
shadow_of() {
	local name
	for name in $(grep -o '@mitosis-exp/.*' /proc/net/unix); do
		if [ "$(ppid_of "${name##*/}")" = "$1" ]; then
			echo "${name##*/}"
			return
		fi
	done
}
ppid_of() {
	local stat
	{ stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
	stat=${stat##*) }
	set -- $stat
	echo "$2"
}
has_shadow() {
	shadow=$(shadow_of "$1")
	[ -n "$shadow" ]
}
# The last parent's shadow in $shadow; it takes a moment until it can be found.
find_shadow() {
	await 5000 has_shadow "$parent"
}

# background OUT ERR COMMAND...: without the end of the pipe that holds the parent
background() {
	local out=$1 err=$2
	shift 2
	# Appending, so that a test may truncate the file in between.
	: >"$out"
	: >"$err"
	if [ -n "${hold_fd:-}" ]; then
		"$@" </dev/null >>"$out" 2>>"$err" {hold_fd}>&- &
	else
		"$@" </dev/null >>"$out" 2>>"$err" &
	fi
}

# start_child NAME [OPTION]... REF: in the background, output in NAME.out and NAME.err;
# leaves the supervisor's pid in $child
start_child() {
	local name=$1
	shift
	background "$name.out" "$name.err" "$child_tool" "$@"
	child=$!
	pids+=("$child")
}

# The process that a supervisor supervises.
real_child() {
	local list= pid
	{ list=$(<"/proc/$1/task/$1/children"); } 2>/dev/null || return 1
	for pid in $list; do
		# Beside a child in a namespace of its own there is its process 1.
		[ "$(cat "/proc/$pid/comm" 2>/dev/null)" != mitosis-init ] || continue
		echo "$pid"
		return
	done
	return 1
}
# await_child SUPERVISOR PATTERN: until the running child has printed a line; its pid in $real
await_child() {
	await 10000 has_line child.out "$2"
	real=$(real_child "$1") || fail "no child below the supervisor"
}

# run_child MS [OPTION]... REF: to the end; child.out, child.err and $status
run_child() {
	local limit=$1
	shift
	start_child child "$@"
	finish "$child" "$limit"
}

# expect_status N, expect_output TEXT, expect_message TEXT: of the last child
expect_status() { [ "$status" = "$1" ] || fail "exit status $status, not $1"; }
expect_message() { grep -qF -- "$1" child.err || fail "the message lacks: $1"; }
expect_silence() { [ ! -s child.err ] || fail "unexpected messages"; }
expect_output() { [ "$(<child.out)" = "$1" ] || fail "output is '$(<child.out)', not '$1'"; }

# ---- states ----

# Options of mitosis-child, one way of fetching memory per line.
all_modes() {
	if [ "${MITOSIS_TEST_ENGINE:-}" = kernel ]; then
		cat <<-END
			--mode demand --window 1 --private --no-push
			--mode demand --window 8 --poll
			--mode demand --window 32 --no-push
			--mode demand
		END
	elif "$helper_tool" uffd >/dev/null; then
		cat <<-END
			--mode demand --how tcp --window 1 --no-push
			--mode demand --how tcp --window 8
			--mode demand --window 32 --no-push
			--mode demand
		END
	fi
	echo "--mode eager"
}

# One that this host cannot do is the whole test.
state_is_skipped() { skip "$1"; }

# run_state NAME [PROGRAM]: build the state, prepare, and let a child of each mode verify it.
# With "quick" set two ways are enough.
run_state() {
	local name=$1 program=${2:-$state_tool} options
	if [ -n "${MITOSIS_TEST_BY_PID:-}" ]; then
		start_waiting_parent "$program" "$name"
	else
		start_parent "$program" "$name"
	fi
	while read -r options; do
		doing="$name, $options"
		# shellcheck disable=SC2086
		run_child 20000 --timeout "$((5 * patience))s" $options "$ref"
		if [ "$status" = 77 ]; then
			state_is_skipped "$(tail -n 1 child.out)"
			continue
		fi
		[ "$status" = 0 ] || fail "status $status: $(tail -n 1 child.out)"
		[ "$(tail -n 1 child.out)" = "ok $name" ] || fail "$(cat child.out)"
	done < <(all_modes | if [ -n "${quick:-}" ]; then grep -e '--no-push$' -e eager | tail -n 2; else cat; fi)
	doing=$name
	end_parent
	doing=
	[ "$status" = 0 ] || fail "$name: the parent's status is $status"
}

# ---- peers that misbehave ----

# start_proxy OPTION...: between children and the last parent; leaves $proxy and $proxy_ref
start_proxy() {
	rm -f proxy.out
	"$helper_tool" fields >fields.txt
	background proxy.out proxy.err "$python" "$tests_dir/user/proxy.py" --fields fields.txt "$@" "$ref"
	proxy=$!
	pids+=("$proxy")
	await 10000 has_line proxy.out '^mitosis://'
	proxy_ref=$(<proxy.out)
	proxy_port=${proxy_ref#mitosis://}
	proxy_port=${proxy_port%/*}
	proxy_port=${proxy_port##*:}
}

end_proxy() {
	kill -KILL "$proxy"
	wait "$proxy" 2>/dev/null
}
