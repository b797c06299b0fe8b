#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# shellcheck disable=SC1091,SC2154
# Mean and standard deviation against the certified values of the NIST StRD univariate data sets.
. "$(dirname "$0")/common.sh"

# numacc BASE MIDDLE LOW HIGH: 1001 values
numacc() {
	awk -v m="$1" -v l="$2" -v h="$3" 'BEGIN {
		print "y_ns"; print m; for (i = 0; i < 500; i++) { print l; print h } }'
}
printf 'y_ns\n10000001\n10000003\n10000002\n' >NumAcc1.tsv
numacc 1.2 1.1 1.3 >NumAcc2.tsv
numacc 1000000.2 1000000.1 1000000.3 >NumAcc3.tsv
numacc 10000000.2 10000000.1 10000000.3 >NumAcc4.tsv
for i in Lew Lottery Mavro Michelso; do
	cp "$src/$i.tsv" . || exit 99
done

# The data have up to 9 digits and the doubles 16: where the digits cancel, no program can do better.
while read -r set n mean sd mean_digits sd_digits; do
	run 0 "$set.tsv"
	[ "$(value n)" = "$n" ] || fail "$set: n is $(value n), not $n"
	near "$(value mean)" "$mean" "1e-$mean_digits"
	near "$(value sd)" "$sd" "1e-$sd_digits"
done <<END
NumAcc1 3 10000002 1 15 15
NumAcc2 1001 1.2 0.1 15 13
NumAcc3 1001 1000000.2 0.1 15 9
NumAcc4 1001 10000000.2 0.1 15 8
Lew 200 -177.435 277.332168044316 13 13
Lottery 218 518.958715596330 291.699727470969 13 13
Mavro 50 2.00185600000000 0.000429123454003053 13 13
Michelso 100 299.852400000000 0.0790105478190518 13 13
END
exit "$failed"
