# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# shellcheck shell=sh disable=SC2034
# lib.sh - what the tests of the installed packages share.
set -eu
export LC_ALL=C
source_dir=$PWD
work=$(mktemp -d "${AUTOPKGTEST_TMP:-${TMPDIR:-/tmp}}/mitosis.XXXXXX")
parent=

clean_up() {
	[ -z "$parent" ] || kill "$parent" 2>/dev/null || true
	cd / && rm -rf "$work"
}
trap clean_up EXIT
cd "$work"

fail() {
	echo "FAILED: $*" >&2
	for file in *.out *.err; do
		[ ! -s "$file" ] || sed "s|^|    $file: |" "$file" >&2
	done
	exit 1
}

# await COMMAND...: until it succeeds, two minutes at most
await() {
	limit=$(($(date +%s) + 120))
	until "$@"; do
		[ "$(date +%s)" -lt "$limit" ] || fail "not within two minutes: $*"
		sleep 0.1
	done
}

has_reference() { grep -q '^mitosis' "$1"; }

# hold COMMAND...: a parent that runs until its input ends; leaves $ref
hold() {
	mkfifo hold
	: >parent.out
	"$@" <hold >parent.out 2>parent.err &
	parent=$!
	exec 3>hold
	await has_reference parent.out
	ref=$(grep -m 1 '^mitosis' parent.out)
}

# The input ends, and so does the parent, well.
let_go() {
	exec 3>&-
	wait "$parent" || fail "the parent's status is $?"
	parent=
	rm hold
}

# No snapshot of this test's label is left.
nothing_served() { ! mitosis-ls | grep -q "$1"; }
