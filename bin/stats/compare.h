/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* compare.h - two sets of samples against each other. Both must be sorted. */
#ifndef STATS_COMPARE_H
#define STATS_COMPARE_H

#include "describe.h"

struct effect {
	double value;
	struct interval ci;	/* 95 % */
};

/* median(b) / median(a); NaN if that says nothing. */
void ratio_of_medians(const struct samples *a, const struct samples *b, struct effect *e);

/* The Hodges-Lehmann estimate of how far b lies above a: the median of all differences. */
void hodges_lehmann(const struct samples *a, const struct samples *b, struct effect *e);

/* Mann-Whitney U of b against a (ties count half) and the two-sided p-value. */
void mann_whitney(const struct samples *a, const struct samples *b, double *u, double *p);

#endif
