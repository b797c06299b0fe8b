#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# shellcheck disable=SC1091,SC2154
# What comes out: grouping, the numbers, selections, formats, histograms.
. "$(dirname "$0")/common.sh"

cat >a.tsv <<'END'
# mitosis-exp 1 tool=x version=1 host=h kernel=k engine=local args=
wss	phase	iter	prepare_ns	pages
1048576	cold	0	10	1
1048576	cold	1	20	2
1048576	warm	0	5	NA
# mitosis-exp 1 tool=x version=1 host=h kernel=k engine=user args=
wss	phase	iter	prepare_ns	pages
1048576	cold	0	40	1
END

# Groups are the factors, the engine of the comment included; iter is none of them.
cat >want <<'END'
wss	phase	engine	column	n	mean	sd	min	p50	p90	max	mad	median_low	median_high	missing	outliers
1048576	cold	local	prepare_ns	2	15	7.0710678118654755	10	15	19	20	5	NA	NA	0	0
1048576	cold	local	pages	2	1.5	0.7071067811865476	1	1.5	1.9	2	0.5	NA	NA	0	0
1048576	warm	local	prepare_ns	1	5	NA	5	5	5	5	0	NA	NA	0	0
1048576	warm	local	pages	0	NA	NA	NA	NA	NA	NA	NA	NA	NA	1	0
1048576	cold	user	prepare_ns	1	40	NA	40	40	40	40	0	NA	NA	0	0
1048576	cold	user	pages	1	1	NA	1	1	1	1	0	NA	NA	0	0
END
run 0 --percentiles 50,90 a.tsv
is want
grep -q '^# mitosis-exp 1 tool=mitosis-stats .* args=--percentiles 50,90 a.tsv$' out ||
	fail "no comment line"

# The same from JSON Lines, and the same as JSON Lines.
cat >a.json <<'END'
{"meta":{"mitosis-exp":1,"tool":"x","engine":"local"}}
{"wss":1048576,"phase":"cold","iter":0,"prepare_ns":10,"pages":1}
{"wss":1048576,"phase":"cold","iter":1,"prepare_ns":2e1,"pages":2}
{"wss":1048576,"phase":"warm","iter":0,"prepare_ns":5,"pages":null}
{"meta":{"mitosis-exp":1,"tool":"x","engine":"user"}}
{"wss":1048576,"phase":"cold","iter":0,"prepare_ns":40,"pages":1}
END
run 0 --percentiles 50,90 a.json
is want
# It needs no object before the records: what that one says may as well be in them.
sed -n -e '1d;2,4s/^{/{"engine":"local",/p;6s/^{/{"engine":"user",/p' a.json >bare.json
run 0 --percentiles 50,90 --by wss,phase,engine bare.json
cp out bare
run 0 --percentiles 50,90 --by wss,phase,engine a.json
[ "$(grep -v '^#' out)" = "$(grep -v '^#' bare)" ] || fail "without a header: $(cat bare)"
run 0 --json --columns pages --by engine --where 'phase!=warm' --percentiles 50 a.tsv
cat >want.json <<'END'
{"engine":"local","column":"pages","n":2,"mean":1.5,"sd":0.7071067811865476,"min":1,"p50":1.5,"max":2,"mad":0.5,"median_low":null,"median_high":null,"missing":0,"outliers":0}
{"engine":"user","column":"pages","n":1,"mean":1,"sd":null,"min":1,"p50":1,"max":1,"mad":0,"median_low":null,"median_high":null,"missing":0,"outliers":0}
END
diff -u want.json out >&2 || fail "JSON"
run 0 --json --header --columns pages --by engine --where 'phase!=warm' --percentiles 50 a.tsv
tail -n +2 out | diff -u want.json - >&2 || fail "JSON after a header"
head -n 1 out | grep -q '^{"meta":{"mitosis-exp":1,"tool":"mitosis-stats",' || fail "JSON meta"

# What goes in comes out: factors keep their types and their odd characters.
printf 'name\tx\tt_ns\n\\#a\\tb\\\\\t1.5\t1\n' >odd.tsv
run 0 --percentiles 50 odd.tsv
# shellcheck disable=SC1003
[ "$(value name)" = '\#a\tb\\' ] || fail "name is $(value name)"
run 0 --json odd.tsv
grep -qF '{"name":"#a\u0009b\\","x":1.5,"column":"t_ns",' out || fail "odd JSON"

# The interval of the median of 1..20 is [x(6), x(15)]; 1000 is beyond the outer fence.
{ echo t_ns; seq 1 20; } | "$stats" >out
[ "$(value median_low) $(value median_high)" = "6 15" ] || fail "interval of the median"
[ "$(value p99.9)" = 19.981 ] || fail "p99.9 is $(value p99.9)"
[ "$(value mad)" = 5 ] || fail "mad is $(value mad)"
{ echo t_ns; seq 1 20; echo 1000; echo -1000; } | "$stats" >out
[ "$(value outliers) $(value n)" = "2 22" ] || fail "outliers"
{ echo t_ns; seq 1 5; } | "$stats" >out
[ "$(value median_low)" = NA ] || fail "five samples have no 95 % interval"

# Enough samples for the radix sort, in an order that is not theirs, of both signs.
awk 'BEGIN { print "t_ns"; for (i = 0; i <= 20000; i++) print (i * 7919) % 20001 - 10000 + 0.5 }' |
	"$stats" >out
[ "$(value min) $(value p50) $(value p90) $(value max)" = "-9999.5 0.5 8000.5 10000.5" ] ||
	fail "sorted wrongly: $(value min) $(value p50) $(value p90) $(value max)"
[ "$(value mad)" = 5000 ] || fail "mad of 20001 is $(value mad)"

# Conditions
run 0 --columns prepare_ns --where wss=1M --where 'prepare_ns>=20ns' a.tsv
[ "$(value n 1) $(value n 2)" = "1 1" ] || fail "--where >="
run 0 --columns prepare_ns --where engine=user,local --where 'phase=cold' a.tsv
[ "$(value n 1) $(value n 2)" = "2 1" ] || fail "--where with a list"
run 0 --columns prepare_ns --where 'pages!=1,2' a.tsv
[ "$(value p50)" = 5 ] || fail "--where !="
run 0 --columns iter --by file a.tsv
[ "$(value file) $(value column) $(value n)" = "a.tsv iter 4" ] || fail "--by file --columns iter"
run 0 --by '' --columns prepare_ns a.tsv
[ "$(value n)" = 4 ] || fail "--by ''"

# Several files, one of them with a factor more
printf 'wss\tphase\tengine\tnode\tprepare_ns\n1048576\tcold\tlocal\t2\t30\n' >b.tsv
run 0 --columns prepare_ns --where engine=local --where phase=cold a.tsv b.tsv
[ "$(value n 1) $(value n 2)" = "2 1" ] || fail "two files"
[ "$(value node 1) $(value node 2)" = "NA 2" ] || fail "a factor that one file lacks"

# Histograms
{ echo t_ns; seq 0 99; } >h.tsv
run 0 --histogram linear h.tsv
[ "$(value low) $(value high) $(value n) $(value percent)" = "0 5 5 5" ] || fail "linear histogram"
[ "$(value low 20) $(value n 20) $(value n 21)" = "95 5 " ] || fail "linear histogram, end"
run 0 --histogram log h.tsv
[ "$(value low) $(value high) $(value n)" = "0 0 1" ] || fail "log histogram: zero"
[ "$(value low 2) $(value high 2) $(value n 2)" = "1 1.25 1" ] || fail "log histogram"
for kind in log linear; do
	for list in 5 1e-9,1e-9,3e-9 1,1e18 100000000,100000001 -5,-3,7; do
		{ echo t_ns; echo "$list" | tr , '\n'; } >h.tsv
		run 0 --histogram $kind h.tsv
		want=$(($(wc -l <h.tsv) - 1))
		sum=$(grep -v '^#' out | awk -F '\t' 'NR > 1 { s += $4 } END { print s }')
		[ "$want" = "$sum" ] || fail "$kind histogram of $list holds $sum, not $want"
	done
done

# The table of a terminal has units and no comment.
if script -qec true /dev/null >/dev/null 2>&1; then
	printf 'wss\tprepare_ns\tgot_bytes\n67108864\t1234567\t1048576\n' >t.tsv
	script -qec "$stats --percentiles 50 t.tsv" /dev/null </dev/null >out
	grep -q '^ *64M  prepare_ns *1  *1.23 ms  *-  *1.23 ms' out || fail "table: $(cat out)"
	grep -q '^ *64M  got_bytes *1  *1M ' out || fail "table: sizes"
	grep -q '^#' out && fail "table: comment"
	script -qec "$stats --histogram log t.tsv" /dev/null </dev/null >out
	grep -q '  ########################################' out || fail "table: histogram"
fi
exit "$failed"
