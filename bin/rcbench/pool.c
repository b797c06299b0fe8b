// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * pool.c - connections taken from a pool instead of being made: each thread has --depth of them,
 * made before the measuring begins, as a kernel that forks remotely keeps them for each pair of
 * hosts.
 *
 * To take one costs no system call. Every LOOK_NS the thread looks whether a peer has left: a
 * connection that died leaves the pool and is counted as a failure.
 */
#include "pool.h"

#include <errno.h>
#include <poll.h>

#include "clock.h"
#include "connection.h"

#define LOOK_NS	1000000u

static void fill(struct driver *d)
{
	while (d->under_way < d->count && !atomic_load(&d->worker->point->stop)) {
		connection_begin(driver_idle(d), 0);
		/*
		 * One after the other, since the records also tell how long it takes to make each.
		 */
		while (d->under_way > d->ready)
			driver_wait(d);
	}
}

static void empty(struct driver *d)
{
	for (unsigned int i = 0; i < d->count; i++) {
		struct connection *c = &d->connections[i];

		if (c->state != CONNECTION_READY)
			continue;
		if (atomic_load(&c->dead))
			connection_drop(c, c->sample.outcome);
		else
			connection_teardown(c);
		while (d->under_way > d->ready)
			driver_wait(d);
	}
}

static void look(struct driver *d)
{
	struct pollfd fd = { .fd = d->channel->fd, .events = POLLIN };
	struct cm_event event;

	while (poll(&fd, 1, 0) > 0 && !cm_event_next(d->channel, &event))
		connection_event(&event);
}

/* The connections in turns, without those that have died; NULL: none is left. */
static struct connection *take(struct driver *d, unsigned int *at)
{
	while (d->ready) {
		struct connection *c = &d->connections[(*at)++ % d->count];

		if (c->state == CONNECTION_READY &&
		    !atomic_load_explicit(&c->dead, memory_order_relaxed))
			return c;
		if (c->state == CONNECTION_READY)
			connection_drop(c, c->sample.outcome);
	}
	return NULL;
}

static void measure(struct driver *d)
{
	struct worker *w = d->worker;
	uint64_t intended, begun, now, looked = 0, seq = 0;
	enum outcome outcome;
	unsigned int at = 0;

	while (point_ticket(w->point, &intended)) {
		struct short_sample *s;
		struct connection *c;

		if (intended && !worker_sleep_until(w, intended))
			break;
		begun = clock_now_ns();
		if (begun - looked > LOOK_NS) {
			look(d);
			looked = begun;
			begun = clock_now_ns();
		}
		c = take(d, &at);
		if (!c)
			break;
		outcome = OUTCOME_OK;
		if (w->point->verify && connection_exchange(c, seq, &outcome)) {
			connection_drop(c, outcome);
			continue;
		}
		now = clock_now_ns();
		s = worker_sample(w, &w->shorts);
		if (s)
			*s = (struct short_sample){
				.seq = seq, .total_ns = now - (intended ? intended : begun),
				.late_ns = intended ? begun - intended : 0,
			};
		seq++;
		worker_count(w, OUTCOME_OK);
		if (w->point->verify && connection_expect(c))
			connection_drop(c, OUTCOME_ERROR);
	}
}

void *drive_pool(void *data)
{
	struct worker *w = data;
	struct driver d;

	if (driver_open(&d, w, w->point->depth, false, 0)) {
		worker_start(w);
		return worker_end(w);
	}
	d.keep = true;
	fill(&d);
	worker_start(w);
	measure(&d);
	empty(&d);
	driver_close(&d);
	return worker_end(w);
}
