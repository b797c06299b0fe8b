#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# messages.sh - what a host or a limit forbids is named, with the setting; mitosis-check finds it, too.
. "$(dirname "$0")/../lib.sh"
check=$bin_dir/mitosis-check

# item NAME: what mitosis-check has said of it
item() { awk -F '\t' -v item="$1" '$1 == item { print $2 ": " $3 ": " $4 }' out; }

start_parent "$parent_tool" --after 1 --interval 100s

# few NUMBER COMMAND...: with so many descriptors, and none open but the standard streams
few() {
	"$python" -c 'import os, resource, sys
most = int(sys.argv[1])
os.closerange(3, 1024)
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
os.execv(sys.argv[2], sys.argv[2:])' "$@"
}
need_python
for mode in eager demand; do
	[ "$mode" = eager ] || "$helper_tool" uffd >/dev/null || continue
	for most in 3 4 5 8 16 40; do
		doing="$most descriptors, mode $mode"
		expect 125 few "$most" "$child_tool" --mode "$mode" "$ref"
		said err '^mitosis-child: .*: Too many open files'
		[ "$(wc -l <err)" = 1 ] || fail "more than one line: $(cat err)"
		# At userfaultfd the message names mitosis-check, which names the limit.
		grep -q -e '(see ulimit -H*n)$' -e '(mitosis-check says what to do)$' err || fail "$(cat err)"
	done
done
expect 125 few 8 "$child_tool" "$ref"
said err "$port: no descriptor from 64 on, where the parent has none: Too many open files (see ulimit -Hn)$"
doing="too few descriptors for a parent"
for most in 3 4; do
	expect 1 few "$most" "$build_dir/tests/user/state-static" data
	grep -q "Too many open files" out err || fail "$(cat out err)"
done
said err '^state: open files cannot be noted: Too many open files (see ulimit -n)$'
expect 0 few 8 "$check" snapshots
[[ $(item descriptors) == "limited: 8 may be open at most"*ulimit\ -Hn* ]] || fail "$(cat out err)"

doing="nobody serves it"
find_shadow
forget_parent
await 10000 gone "$shadow"
expect 125 "$child_tool" "$ref"
said err "$port: cannot connect: Connection refused: no snapshot is served there; its parent has ended, or it was released$"

doing="no user namespaces"
if [ -z "$(why_not -Ur)" ]; then
	expect 0 unshare -Ur sh -c 'echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"' sh "$check" snapshots
	[[ $(item user-namespaces) == "limited: "*"sysctl user.max_user_namespaces is 0: sysctl user.max_user_namespaces=15000" ]] ||
		fail "$(item user-namespaces)"
fi

doing="no /proc"
need_namespaces -Urm
expect 1 unshare -Urm sh -c 'umount -l /proc 2>/dev/null || mount -t tmpfs none /proc && exec "$@"' sh "$parent_tool" --after 1
said err '^mitosis-parent: /proc/self/task: No such file or directory (is /proc mounted?)$'
expect 1 unshare -Urm sh -c 'mount -t tmpfs none /proc && exec "$@"' sh "$bin_dir/mitosis-ls"
said err '^mitosis-ls: /proc/net/unix: No such file or directory (is /proc mounted?)$'
expect 77 unshare -Urm sh -c 'mount -t tmpfs none /proc && exec "$@"' sh "$check" snapshots verdict
[[ $(item proc) == "no: /proc/self/task: No such file or directory: mount -t proc proc /proc" ]] || fail "$(cat out)"
[[ $(item engine-user) == "no: cannot run: see proc: NA" ]] || fail "$(cat out)"
