// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * point.c - what the threads of a point share: tickets, counts, samples, a common beginning and
 * end.
 */
#include "point.h"

#include <errno.h>

#include "clock.h"

uint64_t point_end_ns(const struct point *p)
{
	return p->end_ns ? p->end_ns + (p->rate ? p->timeout_ns : 0) : 0;
}

bool point_is_over(const struct point *p)
{
	return atomic_load_explicit(&p->stop, memory_order_relaxed) ||
	       (p->end_ns && clock_now_ns() >= point_end_ns(p));
}

bool point_ticket(struct point *p, uint64_t *intended_ns)
{
	uint64_t n;

	*intended_ns = 0;
	if (point_is_over(p))
		return false;
	n = atomic_fetch_add_explicit(&p->tickets, 1, memory_order_relaxed);
	if (p->count && n >= p->count)
		return false;
	if (p->rate) {
		*intended_ns = p->begun_ns +
		       (uint64_t)((unsigned __int128)n * 1000000000u / p->rate);
		return !p->end_ns || *intended_ns < p->end_ns;
	}
	return true;
}

void worker_count(struct worker *w, enum outcome outcome)
{
	struct point *p = w->point;

	atomic_fetch_add_explicit(&w->outcomes[outcome], 1, memory_order_relaxed);
	if (outcome == OUTCOME_OK)
		atomic_fetch_add_explicit(&w->done, 1, memory_order_relaxed);
	else if (atomic_fetch_add_explicit(&p->failures, 1, memory_order_relaxed) >=
		 p->max_failures)
		atomic_store_explicit(&p->stop, true, memory_order_relaxed);
}

void *worker_sample(struct worker *w, struct samples *store)
{
	void *sample = w->point->interval_ns ? NULL : samples_add(store);

	if (!sample && !w->point->interval_ns) {
		w->error = ENOMEM;
		atomic_store_explicit(&w->point->stop, true, memory_order_relaxed);
	}
	return sample;
}

void worker_start(struct worker *w)
{
	atomic_fetch_add(&w->point->set_up, 1);
	sem_post(&w->point->ended);
	pthread_barrier_wait(&w->point->go);
}

void *worker_end(struct worker *w)
{
	if (w->error)
		atomic_store(&w->point->stop, true);
	atomic_store(&w->ended, true);
	sem_post(&w->point->ended);
	return NULL;
}

bool worker_sleep_until(struct worker *w, uint64_t ns)
{
	struct timespec until = { .tv_sec = (time_t)(ns / 1000000000u),
				  .tv_nsec = (long)(ns % 1000000000u) };

	while (!atomic_load_explicit(&w->point->stop, memory_order_relaxed)) {
		if (!clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL))
			return true;
	}
	return false;
}
