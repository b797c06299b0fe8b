#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# container.sh - a program in a container, with namespaces of its own, is prepared from the host by its number; its children
# go on at the host, which they say. With crun, runc and mitosis-leanrun.
# shellcheck disable=SC2317 # await calls functions
# shellcheck source-path=SCRIPTDIR/.. source=lib.sh
. "$(dirname "$0")/../lib.sh"
need_root
need_python
need_command busybox readelf
need_namespaces -pmuin -f
busybox=$(command -v busybox)
! readelf -lW "$busybox" | grep -q INTERP || skip "needs a static busybox (busybox-static)"
export MITOSIS_LEAN_DIR=$work_dir/lean

# Counts, and says so; ends with status 7 once its standard input is a file with a word, or there is one in the /tmp of
# the container.
program='BEGIN {
	for (;;) {
		for (i = 0; i < 20000; i++)
			slots[++n % 1000] = n
		for (s = n - 999; s <= n; s++)
			if (slots[s % 1000] != s) { print "wrong"; exit 1 }
		print n; fflush()
		if ((getline word < "/proc/self/fd/0") > 0 || (getline word < "/tmp/end") > 0) exit 7
		close("/proc/self/fd/0"); close("/tmp/end")
	}
}'

# bundle: the description of a container, as runtimes take it
bundle() {
	rm -rf bundle && mkdir -p bundle/rootfs/bin bundle/rootfs/proc bundle/rootfs/dev bundle/rootfs/sys bundle/rootfs/tmp
	cp "$busybox" bundle/rootfs/bin/busybox
	(cd bundle && "$1" spec) || broken "$1 spec"
	"$python" - "$program" <<-'PYTHON' || broken "config.json"
		import json, sys
		with open("bundle/config.json") as f:
		    config = json.load(f)
		config["process"].update(terminal=False, args=["/bin/busybox", "awk", sys.argv[1]])
		config["root"]["readonly"] = False
		config["mounts"] = [m for m in config["mounts"] if m["destination"] in ("/proc", "/dev")]
		kinds = {namespace["type"] for namespace in config["linux"]["namespaces"]}
		for kind in ("pid", "network", "ipc", "uts", "mount"):
		    if kind not in kinds:
		        config["linux"]["namespaces"].append({"type": kind})
		with open("bundle/config.json", "w") as f:
		    json.dump(config, f)
	PYTHON
}

counts() { [ "$(grep -c . "$1")" -ge "$2" ]; }
last_of() { tail -n 1 "$1"; }
descendants() {
	local pid
	for pid in $(pgrep -P "$1"); do
		echo "$pid"
		descendants "$pid"
	done
}
# find_inside BUSYBOX
find_inside() {
	local pid
	for pid in $(descendants "$container"); do
		if [[ $(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null) == "$1 awk "* ]]; then
			inside=$pid
			return
		fi
	done
	return 1
}

# fork_out FILE END: the program whose number is in $inside and whose lines are in FILE; END is where its file is
fork_out() {
	local kind before got time options losses='its namespaces are others (.*ipc, mnt, .*pid, .*uts'
	await 30000 counts "$1" 3
	for kind in ipc mnt pid uts; do
		[ "$(readlink "/proc/$inside/ns/$kind")" != "$(readlink "/proc/self/ns/$kind")" ] || fail "it is in our $kind namespace"
	done
	for time in first second; do
		doing="$name, the $time snapshot"
		before=$(last_of "$1")
		expect 0 "$parent_tool" --pid "$inside"
		cp out reference.out
		parent=$inside await_reference reference.out
		for options in "--mode auto" "--mode eager" "--mode auto --tids new"; do
			doing="$name, the $time snapshot, $options"
			: >child.in
			: >child.out
			# shellcheck disable=SC2086
			"$child_tool" $options "$ref" <child.in >child.out 2>child.err &
			child=$!
			pids+=("$child")
			await 30000 counts child.out 3
			got=$(head -n 1 child.out)
			((got > before)) || fail "the child goes on with $got, after $before"
			said child.err "$losses"
			said child.err 'it is not in the working directory / (another one has this name here)'
			echo end >child.in
			finish "$child" 30000
			expect_status 7
			no_line child.out wrong || fail "$(cat child.out)"
			await 30000 has_line "$1" "^$got\$"
		done
		expect 125 "$child_tool" --strict "$ref"
		said err "refused.*$losses"
	done
	doing="$name, the parent"
	before=$(grep -c . "$1")
	await 30000 counts "$1" $((before + 3))
	# Each line is there, and none twice.
	awk '$1 != 20000 * NR { exit 1 }' "$1" || fail "it did not count on: $(cat "$1")"
	echo end >"$2"
	finish "$container" 30000
	expect_status 7
	: >child.err
	doing=
	parent=
}

tried=
for name in crun runc; do
	command -v "$name" >/dev/null || continue
	doing=$name
	bundle "$name"
	options=()
	# Limits are not what this is about, nor does each of them know all that a host may have of cgroups.
	[ "$name" != crun ] || options=(--cgroup-manager disabled)
	background container.out container.err unshare -m sh -c '
		[ -e /sys/fs/cgroup/cgroup.procs ] || mount -t cgroup2 none /sys/fs/cgroup; exec "$@"' sh "$name" --root "$work_dir/state" "${options[@]}" run --bundle "$work_dir/bundle" "mitosis-$$"
	container=$!
	pids+=("$container")
	cleanups+=("$name --root $work_dir/state delete --force mitosis-$$")
	started() { find_inside /bin/busybox || gone "$container"; }
	await 30000 started
	if gone "$container"; then
		echo "$name runs no containers here: $(tail -n 1 container.err)"
		: >container.err
		continue
	fi
	tried+=" $name"
	fork_out container.out bundle/rootfs/tmp/end
done

name=mitosis-leanrun
doing=$name
"$bin_dir/mitosis-leanprep" create t --rootfs "closure:$busybox" >/dev/null 2>leanprep.err || broken "$(cat leanprep.err)"
cleanups=("$bin_dir/mitosis-leanprep clean --all --quiet" "${cleanups[@]}")
background container.out container.err "$bin_dir/mitosis-leanrun" t -- "$busybox" awk "$program"
container=$!
pids+=("$container")
started() { find_inside "$busybox" || gone "$container"; }
await 30000 started
alive "$container" || fail "it ended"
fork_out container.out "/proc/$inside/root/tmp/end"
[ -n "$tried" ] || skip "needs crun or runc for its first half; that with mitosis-leanrun has passed"
