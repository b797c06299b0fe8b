#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# options.sh - an option that cannot have an effect, with this command, engine or other option, is wrong
# usage: the message names both, nothing is measured, and nothing is on standard output.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
reference=mitosis://127.0.0.1:1/00000000-0000-0000-0000-000000000000

# refuse MESSAGE TOOL ARGUMENT...: the message stands behind the tool's name, to the end of its line
refuse() {
	local message=$1 name=mitosis-$2
	shift 2
	doing="$name $*"
	[ -x "$bin_dir/$name" ] || broken "no $name"
	expect 2 timeout 60 "$bin_dir/$name" "$@"
	[ "$(head -n 1 err)" = "$name: $message" ] || fail "it says: $(cat err)"
	[ "$(sed 1d err)" = "Try '$name --help' for more information." ] || fail "it says more: $(cat err)"
	[ ! -s out ] || fail "output: $(cat out)"
}

there="does not go with a reference: its parent is there already"
for tool in resume exectime; do
	for option in --wss=5 --touch=5 --listen=127.0.0.1; do
		refuse "${option%%=*}: $there" "$tool" "$option" "$reference"
	done
done
for option in --pattern=seq --access=read --each --parallel=2; do
	refuse "${option%%=*}: $there" exectime "$option" "$reference"
done
for tool in resume exectime; do
	refuse "--serve: $there" "$tool" --serve "$reference"
	refuse "--images: goes with engine criu only" "$tool" --images /tmp
	refuse "--serve: does not go with engine criu" "$tool" --serve --engine criu
	for option in --count=5 --window=5 --mode=eager --no-push --private --poll --json; do
		refuse "${option%%=*}: does not go with --serve" "$tool" --serve "$option"
	done
done

refuse "--engine: only user and kernel go with a reference: the others have no snapshot" \
	resume --engine user,local "$reference"
refuse "--copy-to: goes with engine criu only" resume --copy-to /tmp --engine user
refuse "--replay: does not go with --mode eager, which fetches everything anyway" \
	resume --replay --touch 5 --mode demand,eager
refuse "--replay: does not go with engine criu" resume --replay --touch 5 --engine criu
refuse "--replay: nothing would be recorded: --touch says how much a child reads" resume --replay
refuse "--rate: does not go with --hold" resume --rate 5 --hold
refuse "--rate: does not go with --replay" resume --rate 5 --replay --touch 5
refuse "--warmup: does not go with --rate" resume --rate 5 --warmup 0
for engine in local criu exec; do
	refuse "--rate: does not go with engine $engine" resume --rate 5 --engine "user,$engine"
	refuse "--hold: does not go with engine $engine" resume --hold --engine "$engine"
	refuse "--serve: does not go with engine $engine" resume --serve --engine "$engine"
done
refuse "--hold: does not go with --serve" resume --hold --serve
refuse "--parallel: engine criu restores one child at a time: each has the parent's PID" \
	resume --engine criu --parallel 1,2

for option in --engine=user --phase=warm --window=2 --mode=eager --each --push --no-push --private --poll; do
	refuse "${option%%=*}: does not go with --parallel, which forks nothing" \
		exectime --parallel 2 "$option"
done
refuse "--push: does not go with --no-push" exectime --no-push --push
refuse "--each: with --touch 0 there is no access to time" exectime --each --touch 0
refuse "--images: goes with engine criu only" prepare --images /tmp

refuse "--record: does not go with --replay" child --record a --replay b "$reference"
refuse "--record: does not go with --mode eager" child --record a --mode eager "$reference"
refuse "--push: does not go with --no-push" child --no-push --push 50 "$reference"
refuse "--on: goes with a command only" parent --on USR1
refuse "--when-listening: goes with a command only" parent --when-listening 80
for option in --interval=1s --count=1 --wss=1M --pid=1; do
	refuse "${option%%=*}: does not go with a command" parent "$option" -- true
done
for option in --interval=1s --after=1 --count=1 --wss=1M; do
	refuse "${option%%=*}: does not go with --pid" parent "$option" --pid 1
done
refuse "--when-listening: not together with --after" parent --after 1s --when-listening 80 -- true

if [ -x "$bin_dir/mitosis-leanprep" ]; then
	for option in --rootfs=host --memory=1M --cpus=0 --pids=1 --tmp=1M --user=0 --caps=kill \
		--network=none --hostname=x --cgroup=/ --require-limits --writable; do
		refuse "${option%%=*}: goes with create only" leanprep inspect x "$option"
	done
	for command in list clean "rm x" "mount-dev x /dev/null" "pause x" "unpause x"; do
		# shellcheck disable=SC2086 # words
		refuse "--rootfs: goes with create only" leanprep $command --rootfs host
	done
	refuse "--all: goes with clean only" leanprep rm --all x
	refuse "--quiet: goes with clean only" leanprep list --quiet
	refuse "--json: goes with list or inspect only" leanprep clean --json
	refuse "create: expected the name of a template" leanprep create
	refuse "list: expected no argument" leanprep list x
	refuse "mount-dev: expected a template and a device" leanprep mount-dev x
	refuse "remove: expected create, list, inspect, rm, clean, mount-dev, pause or unpause" \
		leanprep remove x
	for option in --bench --pool=2 --steps --stamp --child="$reference"; do
		refuse "${option%%=*}: does not go with --bench-pause" leanrun --bench-pause "$option" x
	done
	refuse "--stamp: does not go with --child: children of a snapshot tell when they run" \
		leanrun --stamp --child "$reference" x
	refuse "--json: goes with many containers (--bench, --count or --bench-pause) only" \
		leanrun --json x
fi
