// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * drive.c - a thread that makes connections: one at a time, or several under way at once, each
 * taking its next step when its event has come.
 *
 * Where nothing but events of connections is awaited, the thread sleeps in rdma_get_cm_event, one
 * system call per event; a signal of the thread that watches wakes it when it is to look at the
 * time. Otherwise it sleeps in ppoll.
 */
#include "drive.h"

#include <poll.h>

#include "clock.h"
#include "connection.h"

/* Wait for events, for answers, or until the next connection is to begin; handle what has come. */
static void poll_both(struct driver *d, uint64_t until_ns)
{
	struct pollfd fds[2] = {
		{ .fd = d->channel->fd, .events = POLLIN },
		{ .fd = d->completions ? d->completions->fd : -1, .events = POLLIN },
	};
	uint64_t now = clock_now_ns(), most = d->worker->point->timeout_ns / 8;
	uint64_t left = until_ns > now ? until_ns - now : 0;
	uint64_t wait = !until_ns || left > most ? most : left;
	struct timespec ts = { .tv_sec = (time_t)(wait / 1000000000u),
			       .tv_nsec = (long)(wait % 1000000000u) };
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
	return !point_is_over(p) && (!intended || intended <= clock_now_ns());
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
		/*
		 * The next ticket is taken before there is room for it: by now the point may be
		 * over.
		 */
		more = more && !point_is_over(p);
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
