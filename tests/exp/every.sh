#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# Every experiment of the package at its smallest, on this host; those that need more than it has are in lab.sh.
# A new one is run here by itself, or has to be named there.
# shellcheck source-path=SCRIPTDIR source=exp.sh
. "$(dirname "$0")/exp.sh"
# shellcheck source-path=SCRIPTDIR source=experiments.sh
. "$tests_dir/exp/experiments.sh"
need_root
need_uffd
export MITOSIS_LEAN_DIR=$work_dir/lean
cleanups+=(remove_templates)
remove_templates() { "$bin_dir/mitosis-leanprep" clean --all --quiet; }

expect 0 "$tool" list
cut -d ' ' -f 1 out | sort >all
tr ' ' '\n' <<<"$lab_only" | sort >lab
[ -z "$(comm -13 all lab)" ] || fail "experiments.sh names what is no experiment: $(comm -13 all lab)"
mapfile -t here < <(comm -23 all lab)
reason=$(why_not -pmui)
[ -z "$reason" ] || {
	echo "$test_name: lean containers are left out: $reason" >&2
	mapfile -t here < <(printf '%s\n' "${here[@]}" | grep -v '^lean-')
}
# lean-pause has a tool of the build in its containers, which do not see every directory of the host.
if [[ " ${here[*]} " == *" lean-pause "* ]]; then
	expect 0 "$bin_dir/mitosis-leanprep" create probe --rootfs host
	"$bin_dir/mitosis-leanrun" probe -- test -x "$bin_dir/mitosis-function" </dev/null 2>err || {
		echo "$test_name: lean-pause is left out: $bin_dir is not to be seen in containers" >&2
		mapfile -t here < <(printf '%s\n' "${here[@]}" | grep -v '^lean-pause$')
	}
	expect 0 "$bin_dir/mitosis-leanprep" rm probe
fi

run 0 -k "${smallest[@]}" --set touch=50 --set load=5:1s --set rules=2 --set trades=200 --set function=helloworld "${here[@]}"
covered "${here[@]}"
expect 0 "$bin_dir/mitosis-leanprep" list
[ "$(grep -vc '^#' out)" = 1 ] || fail "a template is left: $(cat out)"
exit 0
