/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * rate.h - how many end per second, as a column of records of which each is about one.
 *
 * What is measured is cut into up to ten stretches, of as many each, and not fewer than run at a
 * time. The last record of a stretch bears its rate, the others none: so the rates are as
 * independent of each other as other samples are, and none is counted twice.
 */
#ifndef RATE_H
#define RATE_H

#include <math.h>
#include <stdint.h>

struct rate {
	uint64_t stretch, ended, since_ns;
};

static inline struct rate rate_begin(uint64_t total, uint64_t parallel, uint64_t now_ns)
{
	uint64_t tenth = (total + 9) / 10;

	return (struct rate){ .stretch = tenth > parallel ? tenth : parallel, .since_ns = now_ns };
}

/* One has ended: the rate of the stretch that it completes, or NaN. */
static inline double rate_add(struct rate *r, uint64_t now_ns)
{
	double rate;

	if (++r->ended < r->stretch)
		return NAN;
	rate = (double)r->ended * 1e9 / (double)(now_ns - r->since_ns);
	r->ended = 0;
	r->since_ns = now_ns;
	return rate;
}

#endif
