#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# shellcheck disable=SC1091,SC2154
# --compare and --baseline, against numbers published with other programs or counted by hand.
. "$(dirname "$0")/common.sh"

# column NAME VALUE...
column() {
	echo "$1"
	shift
	printf '%s\n' "$@"
}

# Permeability constants, the example of R's wilcox.test: W = 35, one-sided p 0.1272 (exact).
column x_ns 0.80 0.83 1.89 1.04 1.45 1.38 1.91 1.64 0.73 1.46 >x.tsv
column x_ns 1.15 0.88 0.90 0.74 1.21 >y.tsv
run 0 --compare y.tsv x.tsv
[ "$(value u)" = 35 ] || fail "U is $(value u), not 35"
near "$(value p)" 0.2544 0.0003
[ "$(value change)" = '~' ] || fail "not significant, but $(value change)"
near "$(value shift)" 0.305 1e-12	# R: difference in location
run 0 --compare x.tsv y.tsv
[ "$(value u)" = 15 ] || fail "U is $(value u), not 15"
near "$(value p)" 0.2544 0.0003

# Counted: of the 126 arrangements of 4 and 5 values, 7 have U <= 3; twice that for both sides.
column x_ns 19 22 16 29 24 >x.tsv
column x_ns 20 11 17 12 >y.tsv
run 0 --compare y.tsv x.tsv
[ "$(value u)" = 17 ] || fail "U is $(value u), not 17"
near "$(value p)" 0.1111111111111111 1e-12

# With ties: ozone in May and August, the other example of R: W = 127.5, p = 0.0001208.
column x_ns 41 36 12 18 NA 28 23 19 8 NA 7 16 11 14 18 14 34 6 30 11 1 11 4 32 NA NA NA 23 45 115 \
	37 >may.tsv
column x_ns 39 9 16 78 35 66 122 89 110 NA NA 44 28 65 NA 22 59 23 31 44 21 9 NA 45 168 73 NA 76 \
	118 84 85 >august.tsv
run 0 --compare august.tsv may.tsv
[ "$(value u) $(value old_n) $(value new_n)" = "127.5 26 26" ] || fail "U is $(value u), not 127.5"
near "$(value p)" 0.0001208 0.0005
near "$(value ratio)" 0.346153846153846 1e-12	# medians 18 and 52
[ "$(value change)" = '-65.38%' ] || fail "change is $(value change)"
for c in ratio shift; do
	awk -v l="$(value ${c}_low)" -v v="$(value $c)" -v h="$(value ${c}_high)" \
		'BEGIN { exit !(l < v && v < h) }' || fail "$c is not inside its interval"
done
cp out before
run 0 --compare august.tsv may.tsv
cmp -s before out || fail "the same input gives another output"

# All the same: no difference, and no division by zero
column x_ns 5 5 5 5 5 5 >x.tsv
run 0 --compare x.tsv x.tsv
[ "$(value p) $(value shift) $(value ratio) $(value change)" = "1 0 1 ~" ] || fail "all the same"

# Three on each side can never be significant: say so.
column x_ns 1 2 3 >x.tsv
column x_ns 7 8 9 >y.tsv
run 0 --compare x.tsv y.tsv
near "$(value p)" 0.1 1e-12
says 'too few samples'

# Enough of one column, and nothing of another: nothing to say. Zero has no sign.
{ printf 'x_ns\ty_ns\n'; printf '%s\tNA\n' 1 2 3 4 5 6 7; } >x.tsv
{ printf 'x_ns\ty_ns\n'; printf '%s\tNA\n' 11 12 13 14 15 16 17; } >y.tsv
run 0 --compare x.tsv y.tsv
[ ! -s err ] || fail "a message: $(cat err)"
column x_ns 0 0 1 0 0 0 >x.tsv
column x_ns 0 0 0 0 0 0 >y.tsv
run 0 --compare x.tsv y.tsv
[ "$(value shift)" = 0 ] && ! grep -qP '\t-0\t' out || fail "shift is $(value shift): $(cat out)"

# Matching by the other factors; what has no counterpart is counted.
printf 'a\tx_ns\tb_bytes\nk\t1\t1\nk\t2\t1\nl\t3\t1\n' >x.tsv
printf 'b_bytes\ta\tx_ns\n1\tk\t5\n1\tm\t3\n' >y.tsv
run 0 --compare x.tsv y.tsv
[ "$(value old_median) $(value new_median) $(value a 3)" = "1.5 5 " ] || fail "matching"
says 'x.tsv: warning: 2 columns of a group have no counterpart'
printf 'a\tx_ns\nz\t1\n' >z.tsv
run 1 --compare x.tsv z.tsv
says 'z.tsv: no group in common with x.tsv'

# Baseline: ratio of medians, matched on the other factors
awk 'BEGIN {
	print "engine\twss\tt_ns"
	for (w = 1; w <= 2; w++)
		for (i = 0; i < 101; i++) {
			print "local\t" w "\t" w * (1000 + i)
			print "user\t" w "\t" w * w * (2000 + 2 * i)
		}
	print "user\t3\t7"
}' >runs.tsv
run 0 --baseline engine=local runs.tsv
[ "$(value wss 1) $(value ratio 1) $(value wss 2) $(value ratio 2)" = "1 2 2 4" ] || fail "ratio"
[ "$(value base_n 1) $(value base_median 1) $(value median 1)" = "101 1050 2100" ] ||
	fail "medians of baseline"
[ "$(value ratio 3) $(value median 3)" = "NA 7" ] || fail "no counterpart"
says 'baseline: warning: 1 group has no counterpart with engine=local'
# medians within about 10 of 1050: a ratio within 2 % or so
near "$(value ratio_low)" 2 0.04
near "$(value ratio_high)" 2 0.04
awk -v l="$(value ratio_low)" -v h="$(value ratio_high)" 'BEGIN { exit !(l < 1.99 && h > 2.01) }' ||
	fail "interval of the ratio: $(value ratio_low) to $(value ratio_high)"
exit "$failed"
