/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * arrivals.h - when children come: as independent users do, with exponential gaps, which are the
 * same ones in each run.
 */
#ifndef RESUME_ARRIVALS_H
#define RESUME_ARRIVALS_H

#include "resume/resume.h"

struct arrivals {
	const struct step *steps;
	size_t count, step;
	uint64_t state, due_ns, step_end_ns, left;	/* times from the first */
};

/* The first is due at once. */
void arrivals_begin(struct arrivals *a, const struct step *steps, size_t count);
/* The next one, or the next step's first; false behind the last. */
bool arrivals_next(struct arrivals *a);
/* How many will come, about. */
uint64_t arrivals_expected(const struct step *steps, size_t count);

#endif
