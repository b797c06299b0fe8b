/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* describe.h - what is said about one set of samples. All but describe() need it sorted. */
#ifndef STATS_DESCRIBE_H
#define STATS_DESCRIBE_H

#include "store.h"

struct interval {
	double low, high;	/* NaN: there is none */
};

struct description {
	double mean;
	double sd;		/* divisor n - 1; NaN for one sample */
	double min, max;
	double median;
	double mad;		/* median of |x - median|, not scaled */
	struct interval median_ci;
	size_t outliers;	/* outside Tukey's outer fences */
};

void samples_sort(struct samples *s);
/* Between two samples by linear interpolation, as R (type 7), numpy and GSL do. */
double samples_percentile(const struct samples *s, long double percent);
void describe(struct samples *s, struct description *d);	/* sorts */

/*
 * Ranks l <= u, counted from 1, such that [x(l), x(u)] covers the median with a probability of at
 * least 95 %. False if n is too small for that (below 6).
 */
bool median_ranks(size_t n, size_t *l, size_t *u);

#endif
