#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# usage.sh - every tool has --help and --version, and names an option that it does not know.
. "$(dirname "$0")/../lib.sh"

version=$(sed -n 's/^#define PACKAGE_VERSION "\(.*\)"$/\1/p' "$build_dir/config.h")
# Where a script finds its parts before it is installed.
export MITOSIS_LAB_DIR=${MITOSIS_LAB_DIR:-$tests_dir/../share/mitosis-exp/lab}
found=0
for tool in "$bin_dir"/mitosis-*; do
	[ -f "$tool" ] && [ -x "$tool" ] || continue
	name=${tool##*/}
	doing=$name
	found=$((found + 1))
	for option in --help -h --version -V; do
		"$tool" "$option" >out 2>tool.err || fail "$option: status $?"
		[ ! -s tool.err ] || fail "$option: messages"
		[ -s out ] || fail "$option: no output"
	done
	[ "$("$tool" --version | head -n 1)" = "$name (mitosis-exp $version)" ] || fail "--version: $("$tool" --version)"
	"$tool" --help >out
	grep -q -- --help out || fail "--help does not name itself"
	head -n 1 out | grep -qi "^usage: $name" || fail "--help begins with: $(head -n 1 out)"
	for option in --no-such-option -Z; do
		status=0
		"$tool" "$option" >out 2>message || status=$?
		[ "$status" = 2 ] || fail "$option: status $status, not 2"
		[ ! -s out ] || fail "$option: output"
		grep -q "^$name: .*$option" message || fail "$option: $(cat message)"
		grep -qF "Try '$name --help'" message || fail "$option: no 'Try' line: $(cat message)"
	done
	# A full disk is an error, a closed pipe is not worth a word.
	status=0
	"$tool" --help >/dev/full 2>message || status=$?
	[ "$status" = 1 ] || fail "--help to a full disk: status $status"
	grep -q "^$name: .*No space left on device" message || fail "full disk: $(cat message)"
done
[ "$found" -ge 2 ] || broken "no tools in $bin_dir"
