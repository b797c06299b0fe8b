#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# Experiments between two real kernels: children on one node of a parent on the other, by both engines; all
# that every.sh cannot run, over RDMA and with the module; and what they leave removed at the end.
# MITOSIS_EXP_ALL=1 runs all that there are: some ten minutes.
# shellcheck source-path=SCRIPTDIR source=../kernel/kernel.sh
. "$(dirname "$0")/../kernel/kernel.sh"
# shellcheck source-path=SCRIPTDIR source=experiments.sh
. "$tests_dir/exp/experiments.sh"
need_lab
need_kernels
exp=$bin_dir/mitosis-exp
export MITOSIS_EXP_DIR=${MITOSIS_EXP_DIR:-$tests_dir/../share/mitosis-exp}
version=${versions[0]}
build_module "$version"

# run STATUS OPTION... EXPERIMENT...: in a lab of its own
run() {
	local wanted=$1
	shift
	rm -rf dir
	status=0
	timeout -k 10 "${limit:-$((400 * patience))}" "$exp" run -o dir --lab 2 --lab-option="--kernel=$version" --quick \
		--set module="$module" "$@" >out 2>err </dev/null || status=$?
	[ "$status" != 77 ] || skip "$(head -n 1 err)"
	[ "$status" = "$wanted" ] || fail "status $status: $(cat err)"
	! "$bin_dir/mitosis-lab" status | grep -q "^exp\." || fail "the lab is left"
}
# values EXPERIMENT COLUMN [CONDITION]: of its records, where CONDITION of awk holds ($c["NAME"] is a column)
values() {
	awk -F '\t' -v wanted="$2" '/^#/ { next } !n { for (n = 1; n <= NF; n++) c[$n] = n; next }
		'"${3:-1}"' { print $c[wanted] }' "dir/$1/records.tsv"
}
measured() { [ "$(values "$@" | grep -c '^[1-9][0-9.e+]*$')" -ge 1 ] || fail "no $2 in $1 where ${3:-1}: $(cat "dir/$1/records.tsv" err)"; }
states() { "$python" -c 'import json, sys
for name in sys.argv[1:]:
    state = json.load(open(f"dir/{name}/state.json"))
    for point in state["points"].values(): print(name, point["outcome"], point["reason"] or "")' "$@"; }

if [ -n "${MITOSIS_EXP_ALL:-}" ]; then
	limit=3600
	run 0 all
	mapfile -t names < <("$exp" list | cut -d ' ' -f 1)
	states "${names[@]}" >states || fail "not all were run: $(cat err)"
	grep -v ' done ' states >&2
	! grep -q -e ' failed' -e ' interrupted' states || fail "$(cat states)"
	"$exp" report dir >"${MITOSIS_EXP_REPORT:-report.html}" || fail "no report"
	exit 0
fi

# set-up is the first and clean-up the last of those; and two that every.sh runs on one host go between two here
read -ra names <<<"${lab_only/ / resume load-spike }"
run 0 "${smallest[@]}" --set threads=1 --set machines=1 --set outstanding=1 --set size=64 --set duration=1s \
	--set interval=500ms "${names[@]}"
covered "${names[@]}"
states "${names[@]}" >states
[ "$(grep -vc -e ' done ' -e '^rc-devices skipped .*has not so many RDMA devices$' -e ' is not there on ' states)" = 0 ] ||
	fail "not all done: $(cat states err)"
for engine in user kernel; do
	measured resume resume_ns "\$c[\"engine\"] == \"$engine\""
	measured load-spike touched_ns "\$c[\"engine\"] == \"$engine\" && \$c[\"step\"] == 1"
done
for variant in cow prefetch cache poll eager; do
	measured variants-kernel exec_ns "\$c[\"variant\"] == \"$variant\""
done
if command -v criu >/dev/null; then
	for name in criu:prepare_ns criu-restore:resume_ns criu-execution:exec_ns criu-copy:copy_ns; do
		measured "${name%:*}" "${name#*:}" '$c["engine"] == "criu"'
	done
fi
for sharing in share private; do
	measured memory-kernel pss_bytes "\$c[\"sharing\"] == \"$sharing\""
done
[ "$(values resume at | sort -u)" = node2 ] || fail "the children were at $(values resume at | sort -u)"
grep -q '^mitosis://node1:[0-9]*/\*\*\*$' dir/resume/raw/0001/parent.node1.out || fail "$(cat dir/resume/raw/0001/*.out)"
[ "$(values set-up at | sort -u | tr '\n' ' ')" = "node1 node2 " ] || fail "set-up: $(cat dir/set-up/records.tsv)"
[ "$(values clean-up at '$c["kind"] == "module" && $c["outcome"] == "removed"' | sort | tr '\n' ' ')" = "node1 node2 " ] ||
	fail "the module: $(cat dir/clean-up/records.tsv)"
[ "$(values clean-up name '$c["kind"] == "template"' | sort -u)" = mitosis-exp ] || fail "the template: $(cat dir/clean-up/records.tsv)"
[ -z "$(values clean-up name '$c["outcome"] != "removed"')" ] || fail "left: $(cat dir/clean-up/records.tsv)"
"$python" - dir/resume/state.json <<'END' || fail "the hosts are not told: $(cat dir/resume/state.json)"
import json, sys
hosts = json.load(open(sys.argv[1]))["hosts"]
assert sorted(hosts) == ["node1", "node2"] and all(h["name"] == n for n, h in hosts.items())
END
# A function whose memory the module fetches
run 0 --set count=1 --set function=json --set engine=kernel set-up functions
measured functions total_ns '$c["engine"] == "kernel" && $c["phase"] == "replay"'
exit 0
