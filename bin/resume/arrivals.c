// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* arrivals.c - when children come: see arrivals.h. */
#include "resume/arrivals.h"

#include <math.h>

static double exponential(struct arrivals *a)
{
	a->state = a->state * 6364136223846793005u + 1442695040888963407u;
	return -log((double)((a->state >> 11) + 1) / 9007199254740993.0);
}

static void begin_step(struct arrivals *a, uint64_t from_ns)
{
	const struct step *s = &a->steps[a->step];

	a->due_ns = from_ns;
	a->left = s->count;
	a->step_end_ns = s->duration_ns ? from_ns + s->duration_ns : UINT64_MAX;
}

void arrivals_begin(struct arrivals *a, const struct step *steps, size_t count)
{
	*a = (struct arrivals){ .steps = steps, .count = count };
	begin_step(a, 0);
}

bool arrivals_next(struct arrivals *a)
{
	const struct step *s = &a->steps[a->step];

	a->due_ns += (uint64_t)(exponential(a) * 1e9 / (double)s->rate);
	if (s->count ? --a->left > 0 : a->due_ns < a->step_end_ns)
		return true;
	if (++a->step == a->count)
		return false;
	begin_step(a, s->duration_ns ? a->step_end_ns : a->due_ns);
	return true;
}

uint64_t arrivals_expected(const struct step *steps, size_t count)
{
	uint64_t n = 0;

	for (const struct step *s = steps; s < steps + count; s++)
		n += s->count ? s->count : s->rate * s->duration_ns / 1000000000u;
	return n;
}
