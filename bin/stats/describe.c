// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* describe.c - what is said about one set of samples. */
#include <gsl/gsl_cdf.h>
#include <gsl/gsl_sort.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "describe.h"

#define RADIX_BITS 11
#define RADIX (1u << RADIX_BITS)
#define PASSES 6		/* 6 * 11 >= 64 */
#define RADIX_WORTH_IT 1024

/* The bits of a double as an integer of the same order, and back. */
static uint64_t order_bits(uint64_t u)
{
	return u ^ (u >> 63 ? UINT64_MAX : UINT64_C(1) << 63);
}

static uint64_t double_bits(uint64_t u)
{
	return u ^ (u >> 63 ? UINT64_C(1) << 63 : UINT64_MAX);
}

/*
 * Radix sort from the lowest digit on; a digit that all samples share costs nothing, which is
 * common for times that are whole numbers. Needs as much memory again while it runs.
 */
static void radix_sort(double *v, size_t n)
{
	static size_t counts[PASSES][RADIX];
	uint64_t *from = (uint64_t *)(void *)v, *to = allocate_raw(n, sizeof(*to)), *swap;
	uint64_t *const scratch = to;
	unsigned int pass, shift, digit;
	size_t i, sum, count;
	uint64_t u;

	memset(counts, 0, sizeof(counts));
	for (i = 0; i < n; i++) {
		memcpy(&u, &v[i], sizeof(u));
		u = order_bits(u);
		memcpy(&v[i], &u, sizeof(u));
		for (pass = 0; pass < PASSES; pass++)
			counts[pass][u >> (pass * RADIX_BITS) & (RADIX - 1)]++;
	}
	for (pass = 0; pass < PASSES; pass++) {
		shift = pass * RADIX_BITS;
		memcpy(&u, from, sizeof(u));
		if (counts[pass][u >> shift & (RADIX - 1)] == n)
			continue;
		for (sum = 0, digit = 0; digit < RADIX; digit++) {
			count = counts[pass][digit];
			counts[pass][digit] = sum;
			sum += count;
		}
		for (i = 0; i < n; i++) {
			memcpy(&u, &from[i], sizeof(u));
			memcpy(&to[counts[pass][u >> shift & (RADIX - 1)]++], &u, sizeof(u));
		}
		swap = from;
		from = to;
		to = swap;
	}
	for (i = 0; i < n; i++) {
		memcpy(&u, &from[i], sizeof(u));
		u = double_bits(u);
		memcpy(&v[i], &u, sizeof(u));
	}
	free(scratch);
}

void samples_sort(struct samples *s)
{
	if (s->sorted)
		return;
	samples_collect(s);
	if (s->n >= RADIX_WORTH_IT)
		radix_sort(s->v, s->n);
	else if (s->n)
		gsl_sort(s->v, 1, s->n);
	s->sorted = true;
}

/* In long double: 182.5 is to come out as that, and not as 182.49999999999997. */
double samples_percentile(const struct samples *s, long double percent)
{
	long double rank, fraction;
	size_t i;

	if (!s->n)
		return NAN;
	rank = (s->n - 1) * percent / 100;
	i = (size_t)rank;
	if (i + 1 >= s->n)
		return s->v[s->n - 1];
	fraction = rank - i;
	return (double)(s->v[i] + ((long double)s->v[i + 1] - s->v[i]) * fraction);
}

/*
 * Mean and standard deviation in two passes with 64-bit mantissas; the second pass also corrects
 * the mean by what the first one lost. One pass, or doubles, lose digits when the spread is small
 * against the mean, as it is for times.
 */
static void moments(const struct samples *s, struct description *d)
{
	long double sum = 0, mean, delta = 0, squares = 0, x;
	size_t i;

	for (i = 0; i < s->n; i++)
		sum += s->v[i];
	mean = sum / s->n;
	for (i = 0; i < s->n; i++) {
		x = s->v[i] - mean;
		delta += x;
		squares += x * x;
	}
	d->mean = (double)(mean + delta / s->n);
	d->sd = NAN;
	if (s->n > 1)
		d->sd = (double)sqrtl((squares - delta * delta / s->n) / (s->n - 1));
}

/*
 * The distances from the median are two ascending lists, one to each side: merge them up to the
 * middle instead of sorting a copy.
 */
static double deviation(const struct samples *s, double median)
{
	size_t n = s->n, lo, hi, split = 0, end = n, mid, i;
	double d = 0, before = 0;

	while (split < end) {		/* the first sample above the median */
		mid = split + (end - split) / 2;
		if (s->v[mid] <= median)
			split = mid + 1;
		else
			end = mid;
	}
	lo = split;
	hi = split;
	for (i = 0; i <= n / 2; i++) {
		before = d;
		if (hi == n || (lo && median - s->v[lo - 1] <= s->v[hi] - median))
			d = median - s->v[--lo];
		else
			d = s->v[hi++] - median;
	}
	return n % 2 ? d : before + (d - before) / 2;
}

bool median_ranks(size_t n, size_t *l, size_t *u)
{
	double guess = (double)n / 2 - 0.98 * sqrt((double)n);	/* 1.96 standard deviations */
	size_t k = guess > 0 ? (size_t)guess : 0;

	if (n < 6)
		return false;
	/* largest k with P(fewer than k samples below the median) <= 2.5 % */
	if (n <= 1000) {
		while (gsl_cdf_binomial_P((unsigned int)k, 0.5, (unsigned int)n) <= 0.025)
			k++;
		while (k && gsl_cdf_binomial_P((unsigned int)k - 1, 0.5, (unsigned int)n) > 0.025)
			k--;
	} else {
		k = (size_t)floor(((double)n + 1) / 2 - gsl_cdf_ugaussian_Pinv(0.975) *
				  sqrt((double)n) / 2);
	}
	if (!k)
		return false;
	*l = k;
	*u = n + 1 - k;
	return true;
}

static size_t count_outliers(const struct samples *s)
{
	double q1 = samples_percentile(s, 25), q3 = samples_percentile(s, 75);
	double low = q1 - 3 * (q3 - q1), high = q3 + 3 * (q3 - q1);
	size_t i, n = 0;

	for (i = 0; i < s->n && s->v[i] < low; i++)
		n++;
	for (i = s->n; i > 0 && s->v[i - 1] > high; i--)
		n++;
	return n;
}

void describe(struct samples *s, struct description *d)
{
	size_t l, u;

	*d = (struct description){ .mean = NAN, .sd = NAN, .min = NAN, .max = NAN, .median = NAN,
				   .mad = NAN, .median_ci = { NAN, NAN } };
	if (!s->n)
		return;
	samples_sort(s);
	moments(s, d);
	d->min = s->v[0];
	d->max = s->v[s->n - 1];
	d->median = samples_percentile(s, 50);
	d->mad = deviation(s, d->median);
	d->outliers = count_outliers(s);
	if (median_ranks(s->n, &l, &u))
		d->median_ci = (struct interval){ s->v[l - 1], s->v[u - 1] };
}
