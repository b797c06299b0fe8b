// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* compare.c - two sets of samples against each other. */
#include <gsl/gsl_cdf.h>
#include <gsl/gsl_randist.h>
#include <gsl/gsl_rng.h>
#include <gsl/gsl_sort.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"

#define RESAMPLES 10000
#define SEED 20230710		/* any: the same input must give the same output */
#define LEAST 6			/* no 95 % interval of a median below that */
#define EXACT_BELOW 50		/* samples on each side for the exact distribution of U */

/*
 * The median of n draws with replacement, without drawing them: the k-th smallest of n uniform
 * numbers is Beta(k, n + 1 - k) distributed, and the next one above it is the least of the n - k
 * that remain. So a resample costs the same for ten samples and for ten million.
 */
static double resampled_median(const gsl_rng *rng, const struct samples *s)
{
	size_t n = s->n, k = (n + 1) / 2;
	double u = gsl_ran_beta(rng, (double)k, (double)(n + 1 - k)), next;
	size_t i = (size_t)(u * (double)n), j;

	if (i >= n)
		i = n - 1;
	if (n % 2)
		return s->v[i];
	next = u + (1 - u) * -expm1(log(gsl_rng_uniform_pos(rng)) / (double)(n - k));
	j = (size_t)(next * (double)n);
	if (j >= n)
		j = n - 1;
	return s->v[i] + (s->v[j] - s->v[i]) / 2;
}

void ratio_of_medians(const struct samples *a, const struct samples *b, struct effect *e)
{
	struct samples ratios = { .n = RESAMPLES };
	double base = samples_percentile(a, 50), m;
	gsl_rng *rng;
	size_t i;

	*e = (struct effect){ NAN, { NAN, NAN } };
	/* a ratio to nothing, or across zero, says nothing */
	if (!a->n || !b->n || !(base > 0))
		return;
	e->value = samples_percentile(b, 50) / base;
	if (a->n < LEAST || b->n < LEAST || a->v[0] <= 0)
		return;
	rng = gsl_rng_alloc(gsl_rng_mt19937);
	gsl_rng_set(rng, SEED);
	ratios.v = allocate(RESAMPLES, sizeof(*ratios.v));
	for (i = 0; i < RESAMPLES; i++) {
		m = resampled_median(rng, a);
		ratios.v[i] = resampled_median(rng, b) / m;
	}
	gsl_rng_free(rng);
	samples_sort(&ratios);
	e->ci = (struct interval){ samples_percentile(&ratios, 2.5L),
				   samples_percentile(&ratios, 97.5L) };
	samples_drop(&ratios);
}

/* How many of the n * m differences b - a are at most d: one walk, since both are sorted. */
static double count_at_most(const struct samples *a, const struct samples *b, double d)
{
	size_t i, j = b->n;
	double count = 0;

	/* the smaller a is, the fewer of b lie at or below a + d */
	for (i = a->n; i > 0; i--) {
		while (j && b->v[j - 1] - a->v[i - 1] > d)
			j--;
		count += (double)j;
	}
	return count;
}

static double from_order(uint64_t u)
{
	double d;

	u ^= u >> 63 ? UINT64_C(1) << 63 : UINT64_MAX;
	memcpy(&d, &u, sizeof(d));
	return d;
}

static uint64_t to_order(double d)
{
	uint64_t u;

	d += 0.0;	/* -0 */
	memcpy(&u, &d, sizeof(u));
	return u ^ (u >> 63 ? UINT64_MAX : UINT64_C(1) << 63);
}

/* The k-th smallest difference, found by halving the range of doubles: 64 walks at most. */
static double select_difference(const struct samples *a, const struct samples *b, double k)
{
	uint64_t lo = to_order(b->v[0] - a->v[a->n - 1]);
	uint64_t hi = to_order(b->v[b->n - 1] - a->v[0]), mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (count_at_most(a, b, from_order(mid)) >= k)
			hi = mid;
		else
			lo = mid + 1;
	}
	return from_order(lo);
}

void hodges_lehmann(const struct samples *a, const struct samples *b, struct effect *e)
{
	double n = (double)a->n, m = (double)b->n, pairs = n * m, k;

	*e = (struct effect){ NAN, { NAN, NAN } };
	if (!a->n || !b->n)
		return;
	e->value = select_difference(a, b, floor((pairs + 1) / 2));
	if (fmod(pairs, 2) == 0)
		e->value += (select_difference(a, b, pairs / 2 + 1) - e->value) / 2;
	k = floor(pairs / 2 - gsl_cdf_ugaussian_Pinv(0.975) * sqrt(pairs * (n + m + 1) / 12));
	if (k < 1)
		return;
	e->ci = (struct interval){ select_difference(a, b, k),
				   select_difference(a, b, pairs + 1 - k) };
}

/*
 * The share of arrangements of n and m distinct values whose U is at most u. With the largest of
 * all values in the one set it adds m to U, in the other nothing: c(n,m,u) = c(n-1,m,u-m) +
 * c(n,m-1,u). Sums of positive terms only, so nothing cancels.
 */
static double exact_share(size_t n, size_t m, size_t u)
{
	size_t width = n * m + 1, i, j, k;
	long double *c, *row, *less, total = 0, part = 0;

	/* c[i] holds the counts of (i, j) for the current j */
	c = allocate((n + 1) * width, sizeof(*c));
	for (i = 0; i <= n; i++)
		c[i * width] = 1;
	for (j = 1; j <= m; j++) {
		for (i = 1; i <= n; i++) {
			row = c + i * width;
			less = c + (i - 1) * width;
			for (k = i * j + 1; k-- > j; )
				row[k] += less[k - j];
		}
	}
	for (k = 0; k < width; k++) {
		total += c[n * width + k];
		if (k <= u)
			part += c[n * width + k];
	}
	free(c);
	return (double)(part / total);
}

void mann_whitney(const struct samples *a, const struct samples *b, double *u_out, double *p_out)
{
	size_t i = 0, j = 0, ai, bj;
	double n = (double)a->n, m = (double)b->n, u = 0, ties = 0, t, x, mean, var, z;

	*u_out = NAN;
	*p_out = NAN;
	if (!a->n || !b->n)
		return;
	while (j < b->n) {
		x = b->v[j];
		while (i < a->n && a->v[i] < x)
			i++;
		for (ai = i; ai < a->n && !(a->v[ai] > x); ai++)
			;
		for (bj = j; bj < b->n && !(b->v[bj] > x); bj++)
			;
		u += (double)(bj - j) * ((double)i + (double)(ai - i) / 2);
		i = ai;
		j = bj;
	}
	/* groups of equal values in both together */
	for (i = 0, j = 0; i < a->n || j < b->n; i = ai, j = bj) {
		x = j == b->n || (i < a->n && a->v[i] < b->v[j]) ? a->v[i] : b->v[j];
		for (ai = i; ai < a->n && !(a->v[ai] > x); ai++)
			;
		for (bj = j; bj < b->n && !(b->v[bj] > x); bj++)
			;
		t = (double)(ai - i) + (double)(bj - j);
		ties += t * t * t - t;
	}
	*u_out = u;
	mean = n * m / 2;
	if (!(ties > 0) && a->n < EXACT_BELOW && b->n < EXACT_BELOW) {
		*p_out = fmin(1, 2 * exact_share(a->n, b->n, (size_t)(u < mean ? u : n * m - u)));
		return;
	}
	var = n * m / 12 * (n + m + 1 - ties / ((n + m) * (n + m - 1)));
	if (!(var > 0)) {
		*p_out = 1;	/* all values are the same */
		return;
	}
	z = fmax(0, fabs(u - mean) - 0.5) / sqrt(var);
	*p_out = fmin(1, 2 * gsl_cdf_ugaussian_Q(z));
}
