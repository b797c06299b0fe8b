#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# A workflow: its second steps find the state in the memory they were forked with, or are sent it, and come
# to the same results. And the experiments with functions, quick ones.
# shellcheck source-path=SCRIPTDIR source=function.sh
. "$(dirname "$0")/function.sh"
need_uffd
exp=$bin_dir/mitosis-exp

# run OPTION...: an experiment
run() {
	rm -rf dir
	expect 0 "$exp" run -o dir --quick "$@"
}

doing=finra
expect 0 "$tool" finra --event '{"rules": 3, "trades": 2000}' --count 1 --phase cold,warm,prepare,child,replay,fork,transfer
for phase in child replay fork transfer; do
	[ "$(cell out branch $phase | tr '\n' ' ')" = "0 1 2 all " ] || fail "branches of $phase: $(cell out branch $phase)"
	for branch in 0 1 2; do
		[ "$(cell out result $phase $branch)" = "$(cell out result child $branch)" ] || fail "$phase, $branch: another result"
	done
	last=$(for branch in 0 1 2; do cell out total_ns $phase $branch; done | sort -n | tail -n 1)
	[ "$(cell out total_ns $phase all)" = "$last" ] || fail "$phase: the whole is over before the last one"
done
for phase in cold warm prepare; do
	[ "$(cell out branch $phase)" = all ] || fail "branches of $phase: $(cell out branch $phase)"
done
(($(cell out state_bytes transfer 0) > 10000)) || fail "no state was sent"
[ "$(cell out result cold)" = "$(cell out result warm)" ] || fail "cold and warm differ"

doing="a state that is changed"
cat >flow.py <<'END'
state = None


def first(event):
    global state
    state = {"n": event.get("n", 5), "seen": 0}
    return [1, 2]


def handler(factor):
    state["seen"] += 1          # in a process of its own: no sibling sees it
    return {"product": state["n"] * factor}
END
expect 0 "$tool" flow.py --count 1 --phase child,replay,fork,transfer
sed 's/state\["n"\] \* factor/state["seen"]/' flow.py >wrong.py
expect 1 "$tool" wrong.py --count 1 --phase child
said err 'the result differs'
sed '1d; s/global state/pass/; s/state = {.*/pass/' flow.py >stateless.py
expect 1 "$tool" stateless.py --phase cold
said err 'a workflow, .* without state'

doing=experiments
run --set function=helloworld --set count=1 functions
[ "$(column out phase | sort -u | tr '\n' ' ')" = "child cold fork prepare replay warm " ] || fail "phases: $(column out phase | sort -u)"
[ "$(column out pass | sort -u)" = child ] || fail "passes: $(column out pass | sort -u)"
"$exp" report dir >page 2>err || fail "no report: $(cat err)"
said page 'Ratios to phase cold'
said page '<tr><td>replay</td><td class=number>[0-9]'
run --set rules=1,2 --set trades=500 --set count=1 workflow
[ "$(column out rules | sort -u | tr "\n" " ")" = "1 2 " ] || fail "$(cat out)"

doing="a function whose library is missing"
mkdir -p lacking/functions
cp -r "$MITOSIS_EXP_DIR/common" "$MITOSIS_EXP_DIR/exp" "$MITOSIS_EXP_DIR/python" "$MITOSIS_EXP_DIR/experiments" "$MITOSIS_EXP_DIR/published" lacking/
cp "$MITOSIS_EXP_DIR/functions/helloworld.py" lacking/functions/
printf 'NEEDS = {"no_such_module_at_all": "python3-no-such"}\n' >lacking/functions/json.py
MITOSIS_EXP_DIR=$PWD/lacking run --set function=helloworld,json --set count=1 prepare-functions
said err 'skipped: .*json: needs the Python module no_such_module_at_all (Debian package python3-no-such)'
[ "$(column out function | sort -u)" = helloworld ] || fail "$(cat out)"
[ "$(column out prepare_ns | grep -c '^[1-9]')" = 1 ] || fail "$(cat out)"
exit 0
