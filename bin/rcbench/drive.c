// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * drive.c - a thread that makes connections: one at a time, or several under way at once, each
 * taking its next step when its event has come.
 *
 * Where nothing but events of connections is awaited, the thread sleeps in rdma_get_cm_event, one
 * system call per event; a signal of the thread that watches wakes it when it is to look at the
 * time. Otherwise it sleeps in ppoll.
 */
#include <errno.h>
#include <poll.h>

#include "clock.h"
#include "connection.h"

/*
 * What was to begin before the end begins, however late: to leave it out would be to leave out the worst. But not
 * for ever.
 */
static bool is_over(struct point *p)
{
	return atomic_load_explicit(&p->stop, memory_order_relaxed) ||
	       (p->end_ns && clock_now_ns() >= p->end_ns + (p->rate ? p->timeout_ns : 0));
}

bool point_ticket(struct point *p, uint64_t *intended_ns)
{
	uint64_t n;

	*intended_ns = 0;
	if (is_over(p))
		return false;
	n = atomic_fetch_add_explicit(&p->tickets, 1, memory_order_relaxed);
	if (p->count && n >= p->count)
		return false;
	if (p->rate) {
		*intended_ns = p->begun_ns + (uint64_t)((unsigned __int128)n * 1000000000u / p->rate);
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
	else if (atomic_fetch_add_explicit(&p->failures, 1, memory_order_relaxed) >= p->max_failures)
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
	struct timespec until = { .tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u) };

	while (!atomic_load_explicit(&w->point->stop, memory_order_relaxed)) {
		if (!clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL))
			return true;
	}
	return false;
}

/* Events, answers, or the time at which the next is to begin. */
static void poll_both(struct driver *d, uint64_t until_ns)
{
	struct pollfd fds[2] = {
		{ .fd = d->channel->fd, .events = POLLIN },
		{ .fd = d->completions ? d->completions->fd : -1, .events = POLLIN },
	};
	uint64_t now = clock_now_ns(), most = d->worker->point->timeout_ns / 8;
	uint64_t wait = !until_ns || until_ns > now + most ? most : until_ns > now ? until_ns - now : 0;
	struct timespec ts = { .tv_sec = (time_t)(wait / 1000000000u), .tv_nsec = (long)(wait % 1000000000u) };
	struct cm_event event;

	if (ppoll(fds, 2, &ts, NULL) > 0) {
		if (fds[1].revents)
			driver_poll(d);
		if (fds[0].revents && !cm_event_next(d->channel, &event))
			connection_event(&event);
	}
	driver_check(d, clock_now_ns());
}

static bool is_due(struct point *p, uint64_t intended)
{
	return !is_over(p) && (!intended || intended <= clock_now_ns());
}

void *drive_connections(void *data)
{
	struct worker *w = data;
	struct point *p = w->point;
	struct driver d;
	uint64_t intended = 0;
	bool more, both;

	if (driver_open(&d, w, p->depth, p->depth > 1, 0)) {
		worker_start(w);
		return worker_end(w);
	}
	worker_start(w);
	both = p->rate || d.completions;
	more = point_ticket(p, &intended);
	while (more || d.under_way) {
		while (more && d.under_way < d.count && is_due(p, intended)) {
			connection_begin(driver_idle(&d), intended);
			more = point_ticket(p, &intended);
		}
		/* A ticket is taken ahead; much may have happened since. */
		more = more && !is_over(p);
		if (!more && !d.under_way)
			break;
		if (both)
			poll_both(&d, more && d.under_way < d.count ? intended : 0);
		else
			driver_wait(&d);
	}
	driver_close(&d);
	return worker_end(w);
}
