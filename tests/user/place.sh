#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# place.sh - on its own host a shadow puts the pages into its children's memory (--how place): who may have that,
# and what happens when one of the processes ends in the middle.
. "$(dirname "$0")/../lib.sh"
need_uffd

# What it reads in the end: 8 areas of 1 MiB.
resident() { [ "$(awk '/^RssAnon/ { print $2 }' "/proc/$real/status")" -ge 8192 ]; }
threads_are() { [ "$(awk '$1 == "Threads:" { print $2 }' "/proc/$shadow/status")" = "$1" ]; }

doing="a thread of the shadow's for each child, as long as pages are missing"
start_parent "$state_tool" wait
find_shadow
threads_are 1 || fail "it has threads before there is a child"
start_child child --how place --no-push "$ref"
first=$child
await_child "$child" '^running'
threads_are 2 || fail "nothing is placed"
start_child second --no-push "$ref"
second=$child
await 5000 has_line second.out '^running'
threads_are 3 || fail "the default is another way"
start_child third --how tcp --no-push "$ref"
third=$child
await 5000 has_line third.out '^running'
threads_are 3 || fail "--how tcp is the same"
for one in second third; do
	kill -USR1 "$(real_child "${!one}")"
	finish "${!one}" 10000
	expect_status 0
	[ "$(tail -n 1 "$one.out")" = "ok wait" ] || fail "$(cat "$one.out")"
done
await 5000 threads_are 2
kill -USR1 "$real"
finish "$first" 10000
expect_status 0
await 5000 threads_are 1

doing="a supervisor with nothing to do"
for how in place tcp; do
	start_child child --how "$how" "$ref"
	await_child "$child" '^running'
	await 5000 resident
	await 5000 threads_are 1
	idle=$child
	ran=$(cut -d ' ' -f 1 "/proc/$idle/schedstat") || fail "it has ended"
	for ((i = 0; i < 20; i++)); do
		run_child 5000 --how nothing "$ref"
	done
	ran=$(($(cut -d ' ' -f 1 "/proc/$idle/schedstat") - ran))
	[ "$ran" -ge 0 ] && [ "$ran" -lt 20000000 ] || fail "it ran for $((ran / 1000000)) ms"
	kill "$idle"
	finish "$idle" 5000
done

doing="twenty at once"
children=()
for ((i = 0; i < 20; i++)); do
	start_child "child$i" --how place --window 1 "$ref"
	children+=("$child")
done
for ((i = 0; i < 20; i++)); do
	await 20000 has_line "child$i.out" '^running'
	kill -USR1 "$(real_child "${children[i]}")"
done
for ((i = 0; i < 20; i++)); do
	finish "${children[i]}" 20000
	expect_status 0
	[ "$(tail -n 1 "child$i.out")" = "ok wait" ] || fail "$(cat "child$i.out")"
done
await 5000 threads_are 1

doing="a shadow that does not answer"
start_child child --how place --no-push --timeout 1s "$ref"
await_child "$child" '^running'
kill -STOP "$shadow"
kill -USR1 "$real"
finish "$child" 10000
expect_status 125
expect_message "no answer from the parent's host in time"
await 1000 gone "$real"
kill -CONT "$shadow"
await 5000 threads_are 1

doing="a child that is killed in the middle"
for ((i = 0; i < 5; i++)); do
	start_child child --how place --window 1 "$ref"
	await_child "$child" '^running'
	kill -USR1 "$real"
	kill -KILL "$real"
	finish "$child" 5000
	[ "$status" = 137 ] || [ "$status" = 0 ] || fail "status $status"
done
await 5000 threads_are 1

doing="what cannot be"
run_child 5000 --how place --mode eager "$ref"
expect_status 2
run_child 5000 --how shm "$ref"
expect_status 2
expect_message "--how: shm: neither auto, place nor tcp"
start_proxy
run_child 5000 --how place "$proxy_ref"
expect_status 125
expect_message "pages cannot be placed by the parent's shadow: no shadow of this user's is to be had for it on this host"
start_child child "$proxy_ref"
await_child "$child" '^running'
kill -USR1 "$real"
finish "$child" 10000
expect_status 0
end_proxy
if [ "$(id -u)" = 0 ] && setpriv --reuid=65534 --regid=65534 --clear-groups true 2>/dev/null; then
	doing="another user's shadow"
	end_parent
	chmod 755 .
	background parent.out parent.err setpriv --reuid=65534 --regid=65534 --clear-groups "$bin_dir/mitosis-parent"
	other=$!
	pids+=("$other")
	await 10000 has_line parent.out '^mitosis://'
	ref=$(grep -m 1 '^mitosis://' parent.out)
	run_child 5000 --how place "$ref"
	expect_status 125
	expect_message "no shadow of this user's is to be had for it on this host"
fi
