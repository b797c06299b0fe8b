#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# standard-files.sh - a standard stream that was a file of the parent's is named, unless the child has the same one.
. "$(dirname "$0")/../lib.sh"

forget_snapshot() { "$bin_dir/mitosis-ls" --release "$ref" >ls.out 2>ls.err; }

echo "what the parent could read" >data
timeout 60 "$parent_tool" --interval 1ms --after 1 --count 3 --lifetime 60s --reference ref <data >>printed 2>complained ||
	fail "mitosis-parent"
ref=$(<ref)
cleanups+=(forget_snapshot)

# resume STDIN STDOUT STDERR [OPTION]...: these files are opened for appending
resume() {
	local in=$1 out=$2 err=$3
	shift 3
	status=0
	timeout 60 "$child_tool" "$@" "$ref" <"$in" >>"$out" 2>>"$err" || status=$?
}
lost() { grep -q "the child is not in all what its parent is: $1\$" "$2" || fail "$2 says: $(cat "$2")"; }
zero="descriptor 0 is the caller's, not $PWD/data"
one="descriptor 1 is the caller's, not $PWD/printed"
two="descriptor 2 is the caller's, not $PWD/complained"

resume /dev/null child.out child.err
expect_status 0
lost "$zero; $one; $two" child.err
expect_output $'tick 2\ntick 3'
: >child.out >child.err
resume /dev/null child.out child.err --strict
expect_status 125
expect_message "refused, since the child would not be what its parent is: $zero; $one; $two"
[ ! -s child.out ] || fail "it ran"

doing="the same files"
: >child.err
resume data printed child.err
expect_status 0
lost "$two" child.err
resume data printed complained --strict
expect_status 0
[ ! -s complained ] || fail "it says: $(cat complained)"
[ "$(<printed)" = "$(printf 'tick %d\n' 1 2 3 2 3 2 3)" ] || fail "it printed: $(cat printed)"

doing="the same file read from another place"
{
	read -r _
	timeout 60 "$child_tool" "$ref" >>printed 2>child.err
} <data
lost "$zero; $two" child.err
