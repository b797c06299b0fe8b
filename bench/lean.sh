#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# Start of lean containers against bare vfork+exec, unshare, crun and runc: one program (it prints the
# time at which it came to main), one root file system, one harness, in turns; alone and two at a time;
# with the host's mounts and with 400 of them; then with a program that has no C library, whose beginning
# would count as start of the container. ROUNDS and COUNT make it longer.
. "$(dirname "$0")/lib.sh"

[ "$(id -u)" = 0 ] || { echo "bench: lean.sh needs root" >&2; exit 77; }
if [ -z "${LEAN_PRIVATE:-}" ]; then
	# Mounts of its own, which are many further down.
	rm -rf "$scratch"
	LEAN_PRIVATE=1 exec unshare -m --propagation private bash "$0"
fi
if [ -d /sys/fs/cgroup/unified ]; then
	echo "  (a hybrid host: all see cgroup v2 only, which crun insists on)"
	mount -t cgroup2 cgroup2 /sys/fs/cgroup
fi
build_dir=$(cd "$MITOSIS_BIN/.." && pwd)
launch=$build_dir/bench/launch
stamp=$build_dir/tests/lean/stamp first=$build_dir/bench/first program=$stamp
rounds=${ROUNDS:-5} count=${COUNT:-40}
export MITOSIS_LEAN_DIR=$scratch/lean
parent=
finish() {
	[ -z "$parent" ] || kill "$parent" 2>/dev/null || true
	mitosis-leanprep clean --all --quiet || true
	[ ! -d "$scratch/mounts" ] || umount -l "$scratch"/mounts/* || true
	rm -rf "$scratch"
}
trap finish EXIT

mitosis-leanprep create bench --rootfs "closure:$stamp,$first,/bin/sh" 2>/dev/null
root=$MITOSIS_LEAN_DIR/lib/bench/rootfs

# A bundle for the runtimes: their own default specification, but for the root and the program.
runtimes="" crun_options=""
for runtime in crun runc; do
	command -v "$runtime" >/dev/null || { echo "  ($runtime is not installed)"; continue; }
	mkdir -p "$scratch/$runtime" "$scratch/$runtime-less"
	(cd "$scratch/$runtime" && "$runtime" spec)
	python3 - "$scratch/$runtime/config.json" "$scratch/$runtime-less/config.json" "$root" "$stamp" <<'END'
import json, sys
path, less, root, stamp = sys.argv[1:]
config = json.load(open(path))
config["root"] = {"path": root, "readonly": True}
config["process"]["args"] = [stamp]
config["process"]["terminal"] = False
json.dump(config, open(path, "w"))
# The same with what a lean container has only: no network of its own, no /sys.
config["linux"]["namespaces"] = [n for n in config["linux"]["namespaces"] if n["type"] != "network"]
config["mounts"] = [m for m in config["mounts"] if m["type"] not in ("sysfs", "cgroup")]
json.dump(config, open(less, "w"))
END
	if "$runtime" run -b "$scratch/$runtime" "probe-$$" >/dev/null 2>"$scratch/$runtime.err" </dev/null; then
		runtimes="$runtimes $runtime"
	elif [ "$runtime" = crun ] && crun --cgroup-manager=disabled run -b "$scratch/crun" "probe-$$" >/dev/null 2>&1 </dev/null; then
		echo "  (crun runs without a cgroup: $(head -n 1 "$scratch/crun.err"))"
		crun_options=--cgroup-manager=disabled
		runtimes="$runtimes crun"
	else
		echo "  ($runtime does not run here: $(head -n 1 "$scratch/$runtime.err"))"
	fi
done

# lean NAME OPTION...: records of mitosis-leanrun, as launch writes them
lean() {
	local name=$1
	shift
	fast mitosis-leanrun bench --stamp "$@" -- "$program" |
		awk -F '\t' -v name="$name" -v OFS='\t' '/^[#t]/ { next } { print name, $3, $4, $5, $7, $9 }'
}
runs() { fast "$launch" "$@" </dev/null; }

# round PARALLEL MULTIPLE: one of everything
round() {
	local n=$((count * $2))
	runs bare "$n" "$1" "$root" "$program"
	lean leanrun -n "$n" --parallel "$1"
	lean pool -n "$n" --parallel "$1" --pool 32
	runs unshare "$((n / 2))" "$1" - unshare -fpmui --root="$root" --mount-proc=/proc "$program"
	for runtime in $runtimes; do
		options=
		[ "$runtime" != crun ] || options=$crun_options
		# shellcheck disable=SC2086
		runs "$runtime" "$((n / 4))" "$1" - "$runtime" $options run -b "$scratch/$runtime" bench-%i
		# shellcheck disable=SC2086
		runs "$runtime-less" "$((n / 4))" "$1" - "$runtime" $options run -b "$scratch/$runtime-less" bench-%i
	done
}
# median_of FILE NAME COLUMN
median_of() {
	awk -F '\t' -v name="$2" -v column="$3" '$1 == name { print $column }' "$1" | sort -n |
		awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

all=
for runtime in $runtimes; do all="$all $runtime $runtime-less"; done
measure() {
	local file=$scratch/$1 name goal bare
	for ((i = 0; i < rounds; i++)); do round 1 1; done >"$file"
	title "$2: start, to the program's beginning, against bare vfork+exec"
	for name in leanrun pool unshare $all; do
		goal=
		[ "$name" != leanrun ] || goal='<= 1.6'
		[ "$name" != pool ] || goal='<= 0.3'
		row "$name" "$(median_of "$file" "$name" 4)" "$(median_of "$file" bare 4)" "$goal"
	done
	title "$2: start against that of leanrun (-less: without a network of their own, without /sys)"
	for name in $all; do
		goal=
		[ "$name" != crun ] || goal='>= 15'
		row "$name" "$(median_of "$file" "$name" 4)" "$(median_of "$file" leanrun 4)" "$goal"
	done
	bare=$(median_of "$file" bare 4)
	title "$2: what the container adds to the start of the program, against what leanrun adds"
	for name in unshare $all; do
		row "$name" "$(($(median_of "$file" "$name" 4) - bare))" "$(($(median_of "$file" leanrun 4) - bare))"
	done
	title "$2: whole cycle, start to reaped, against bare vfork+exec"
	for name in leanrun pool unshare $all; do row "$name" "$(median_of "$file" "$name" 5)" "$(median_of "$file" bare 5)"; done
}

measure few "with $(grep -c . /proc/self/mountinfo) mounts on the host"

title "two at a time: time per container against one at a time (containers/s: the inverse)"
# The time that all of them took: the last start plus its length.
per_container() {
	awk -F '\t' -v name="$2" -v p="$3" '$1 == name && $2 == p { if ($6 + $5 > end) end = $6 + $5; n++ }
		END { print end / n }' "$1"
}
for ((i = 0; i < rounds; i++)); do
	for parallel in 1 2; do round "$parallel" 8 >>"$scratch/rate.$i"; done
done
for name in bare leanrun pool unshare $all; do
	for parallel in 1 2; do
		for ((i = 0; i < rounds; i++)); do per_container "$scratch/rate.$i" "$name" "$parallel"; done |
			sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }' >"$scratch/$name.$parallel"
	done
	goal=
	[ "$name" != leanrun ] || goal='<= 0.62, where bare allows it'
	row "$name, 2 at a time" "$(<"$scratch/$name.2")" "$(<"$scratch/$name.1")" "$goal"
done

title "a warm start, thawing a paused container, against starting one"
# A hundredth or so of a start: two digits would say 0.00.
thaw_row() {
	awk -v t="$1" -v a="$2" -v b="$3" 'BEGIN { printf "  %-52s %9.4f ms %9.3f ms  %6.4f x\n", t, a / 1e6, b / 1e6, a / b }'
}
fast mitosis-leanrun bench --bench-pause -n 200 >"$scratch/pause" 2>/dev/null &&
	thaw_row "thaw to the container's first step" "$(awk -F '\t' '/^bench/ { print $5 }' "$scratch/pause" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }')" \
		"$(median_of "$scratch/few" leanrun 4)"

title "children of a snapshot (64 MiB): in a container, against without"
mitosis-resume --serve --engine user --wss 64M >"$scratch/ref" 2>/dev/null &
parent=$!
until [ -s "$scratch/ref" ]; do sleep 0.1; done
ref=$(<"$scratch/ref")
# children NAME PARALLEL OPTION... -- OPTION...: as lean(), of children
children() {
	local name=$1 parallel=$2
	shift 2
	fast mitosis-leanrun bench --child "$ref" -n 20 --parallel "$parallel" "$@" |
		awk -F '\t' -v name="$name" -v OFS='\t' '/^bench/ { print name, $3, $4, $6, $7, $9 }'
}
# A parent of mitosis-resume reports on standard output, which goes nowhere in a container.
for ((i = 0; i < rounds; i++)); do
	fast mitosis-resume --count 20 --no-push "$ref" 2>/dev/null | awk -F '\t' -v OFS='\t' '/^user/ { print "plain", 1, $5, $6, $7, 0 }'
	for parallel in 1 2; do
		children lean "$parallel" -- --no-push
		children slot "$parallel" --pool 10 -- --no-push
	done >"$scratch/children.$i"
	awk -F '\t' '$2 == 1' "$scratch/children.$i"
done >"$scratch/children"
row "resume, in a container" "$(median_of "$scratch/children" lean 4)" "$(median_of "$scratch/children" plain 4)"
row "resume, in a container of a pool" "$(median_of "$scratch/children" slot 4)" "$(median_of "$scratch/children" plain 4)"
for parallel in 1 2; do
	for ((i = 0; i < rounds; i++)); do per_container "$scratch/children.$i" lean "$parallel"; done |
		sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }' >"$scratch/lean.$parallel"
done
row "children in containers, 2 at a time" "$(<"$scratch/lean.2")" "$(<"$scratch/lean.1")"
kill "$parent"
wait "$parent" 2>/dev/null || true
parent=

more=$((400 - $(grep -c . /proc/self/mountinfo)))
mkdir "$scratch/mounts"
for ((i = 0; i < more; i++)); do
	mkdir "$scratch/mounts/$i"
	mount -t tmpfs none "$scratch/mounts/$i"
done
measure many "with $(grep -c . /proc/self/mountinfo) mounts on the host"
title "start with 400 mounts against few"
for name in bare leanrun pool unshare $runtimes; do
	goal=
	[ "$name" != leanrun ] || goal=1
	row "$name" "$(median_of "$scratch/many" "$name" 4)" "$(median_of "$scratch/few" "$name" 4)" "$goal"
done

# The program's own beginning left out.
for runtime in $runtimes; do
	sed -i "s|$stamp|$first|" "$scratch/$runtime/config.json" "$scratch/$runtime-less/config.json"
done
umount -l "$scratch"/mounts/*
rm -r "$scratch/mounts"
program=$first
measure first "a program without a C library"
