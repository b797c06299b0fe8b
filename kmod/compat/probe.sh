#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Copyright (C) 2026 mitosis-exp maintainers
# probe.sh - finds out what a kernel has by compiling one small file for each question; what it
# prints is compat/config.h. Versions are not asked: distributions backport.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/mitosis-probe.XXXXXX")
trap 'rm -rf "$work"' EXIT
[ -e "$KDIR/Makefile" ] || { echo "$KDIR: no kernel build directory (are its headers installed?)" >&2; exit 1; }
cp "$here"/probes/*.c "$work"
for probe in "$work"/*.c; do
	probe=${probe##*/}
	echo "obj-m += ${probe%.c}.o"
done >"$work/Kbuild"
# A question that is answered with no is no error of this make; that nothing compiles is one.
make -s -k -C "$KDIR" M="$work" modules >"$work/log" 2>&1 || true
[ -e "$work/always.o" ] || { cat "$work/log" >&2; echo "$KDIR: cannot compile for this kernel" >&2; exit 1; }
echo "/* made by compat/probe.sh for $KDIR */"
for probe in "$here"/probes/*.c; do
	probe=${probe##*/}
	probe=${probe%.c}
	[ "$probe" = always ] && continue
	[ -e "$work/$probe.o" ] && echo "#define HAVE_$(echo "$probe" | tr '[:lower:]' '[:upper:]') 1"
done
exit 0
