# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# shellcheck shell=bash
# lib.sh - what the scripts that make and test packages share.
set -euo pipefail
export LC_ALL=C
# Packages, repositories and roots are for everyone, apt's own user among them.
umask 022
unset TAR_OPTIONS	# which the Makefile has set for its own tarball

me=${0##*/}
# shellcheck disable=SC2034 # used by the scripts
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { echo "$me: $*" >&2; }
die() { say "$*"; exit 1; }
skip() { say "skipped: $*"; exit 77; }

need_command() {
	local command
	for command; do
		command -v "$command" >/dev/null || skip "needs $command"
	done
}
need_root() { [ "$(id -u)" = 0 ] || skip "needs root"; }

# The one version.
version_of() { sed -n 's/^AC_INIT(\[[^]]*\], *\[\([^]]*\)\].*/\1/p' "$1/configure.ac"; }

# The oldest Python that will do.
python_of() { sed -n 's/^m4_define(\[python_minimum\], *\[\([^]]*\)\].*/\1/p' "$1/configure.ac"; }

# quietly LOG COMMAND...: its output goes to a file, the end of which is shown if it fails
quietly() {
	local log=$1
	shift
	"$@" >"$log" 2>&1 </dev/null || {
		tail -n 40 "$log" >&2
		die "failed: $* (see $log)"
	}
}

# apart [OPTION]... COMMAND...: in process and mount namespaces of its own (OPTION: more of unshare's). Whatever it
# starts and mounts ends with it, and it ends when this script gets a signal: a command in the foreground would
# be waited for.
apart() {
	local status=0
	apart_pid=
	trap 'end_apart; exit 1' INT TERM HUP
	# In the background a shell's commands ignore these, and so would all that they start.
	env --default-signal=INT,QUIT unshare --mount --pid --fork --kill-child --propagation private "$@" <&0 &
	apart_pid=$!
	wait "$apart_pid" || status=$?
	apart_pid=
	return "$status"
}
# The namespace's first process ends after all of the others. unshare is stopped meanwhile: it has a message for a
# first process that was killed.
end_apart() {
	local first
	trap '' INT TERM HUP
	[ -n "$apart_pid" ] || return 0
	kill -STOP "$apart_pid" 2>/dev/null || true
	first=$(cat "/proc/$apart_pid/task/$apart_pid/children" 2>/dev/null) || true
	first=${first%% *}
	if [ -n "$first" ]; then
		kill -KILL "$first" 2>/dev/null || true
		until grep -q '^State:.Z' "/proc/$first/status" 2>/dev/null; do
			[ -e "/proc/$first" ] || break
			sleep 0.05
		done
	fi
	kill -KILL "$apart_pid" 2>/dev/null || true
	wait "$apart_pid" 2>/dev/null || true
}

# use_repository DIRECTORY: in a root. apt reads the file that apt-repo has made for users, but for where the
# repository is: it is mounted at DIRECTORY.
use_repository() {
	sed "s|^URIs: .*|URIs: file:$1|" "$1/mitosis-exp.sources" >/etc/apt/sources.list.d/mitosis-exp.sources
	quietly apt.log apt-get -q update
}

# In a root: no initramfs is made for kernels. The lab makes one of its own, and Debian's would take longer
# than everything else there.
without_initramfs() {
	dpkg-divert --quiet --local --rename --add /usr/sbin/update-initramfs
	ln -s /bin/true /usr/sbin/update-initramfs
}
