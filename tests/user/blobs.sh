#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# blobs.sh - the freestanding programs need no linker: no undefined symbol, no relocation, no
# writable data, the entry first.
. "$(dirname "$0")/../lib.sh"
need_command readelf
need_command nm

for blob in shadow restorer; do
	doing=$blob
	elf=$build_dir/lib/pie/$blob.elf
	[ -f "$elf" ] || broken "no $elf"
	undefined=$(nm --undefined-only "$elf")
	[ -z "$undefined" ] || fail "undefined: $undefined"
	readelf -rW "$elf" | grep -q 'There are no relocations' || fail "$(readelf -rW "$elf")"
	readelf -SW "$elf" >sections || broken readelf
	# Allocated and writable: nothing but what a linker makes without being asked, and that is empty.
	writable=$(sed -n 's/^ *\[ *[0-9]*\] //p' sections | awk '$7 ~ /W/ && $7 ~ /A/ && $5 !~ /^0+$/ { print $1 }')
	[ -z "$writable" ] || fail "writable: $writable"
	! readelf -lW "$elf" | grep -q INTERP || fail "it asks for an interpreter"
	first=$(nm -n "$elf" | awk '$2 ~ /[Tt]/ { print $3; exit }')
	[ "$first" = "${blob}_entry" ] || fail "it begins with $first"
	[ "$(stat -c %s "$build_dir/lib/pie/$blob.bin")" -lt 98304 ] || fail "it is too large"
	# No general-purpose code uses vector registers: a signal frame is not there to save them.
	! objdump -d "$elf" | grep -Eq '%[xyz]mm[0-9]' || fail "it uses vector registers"
done
# And nobody needs an executable stack for them.
for object in "$build_dir"/.libs/libmitosis.so; do
	doing=${object##*/}
	[ -f "$object" ] || continue
	readelf -lW "$object" | grep GNU_STACK | grep -q 'RW ' || fail "executable stack"
	! readelf -dW "$object" | grep -q TEXTREL || fail "text relocations"
	exported=$(nm -D --defined-only "$object" | awk '{ print $3 }' | grep -v '^mitosis_\|^MITOSIS_' || true)
	[ -z "$exported" ] || fail "it exports: $exported"
done
