#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# The module compiles without a warning for every kernel whose headers are installed.

# shellcheck source-path=SCRIPTDIR source=kernel.sh
. "$(dirname "$0")/kernel.sh"

need_command make
mapfile -t versions < <(kernels_with_headers)
[ "${#versions[@]}" != 0 ] || skip "no kernel headers are installed (linux-headers-amd64)"
for version in "${versions[@]}"; do
	doing=$version
	build_module "$version" "$work_dir/kmod-$version"
	! grep -i 'warning:' "$work_dir/kmod-$version/log" || fail "warnings"
	modinfo -F vermagic "$module" | grep -q "^$version " || fail "built for another kernel"
	rm -rf "$work_dir/kmod-$version"
done
exit 0
