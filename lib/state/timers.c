// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * timers.c - the three interval timers, and those of timer_create(2), with their ids; how far they
 * had come is noted before the parent goes on.
 *
 * A kernel before Linux 6.15 gives ids in ascending order alone: so many are made and deleted until
 * the id is reached.
 */
#include "state/state.h"

#ifdef IN_SHADOW

#include "shadow/snapshot.h"

void timers_read(struct snapshot *s)
{
	struct descriptor_timer *real = &s->header.timers[0];	/* ITIMER_REAL */
	const struct capture *c = &s->args.capture;

	memcpy(s->header.timers, c->timers, sizeof(s->header.timers));
	/*
	 * Its signal is pending, and starts the timer anew when it is delivered. The other two keep
	 * their interval when they are turned off.
	 */
	if (!real->value_s && !real->value_us) {
		real->value_s = real->interval_s;
		real->value_us = real->interval_us;
	}
	memcpy(s->posix_timers, c->posix_timers, c->posix_timer_count * sizeof(s->posix_timers[0]));
	s->n.posix_timers = c->posix_timer_count;
}

#endif
#ifndef PR_TIMER_CREATE_RESTORE_IDS
#define PR_TIMER_CREATE_RESTORE_IDS	77	/* Linux 6.15 */
#endif
enum { RESTORE_IDS_OFF, RESTORE_IDS_ON, RESTORE_IDS_GET };

#ifdef IN_LIBRARY

#include <signal.h>
#include <sys/prctl.h>

#include "restore/losses.h"

/* How many ids may be used up for one. */
#define IDS_MAX	65536u

static bool is_time(int64_t s, int64_t ns)
{
	return s >= 0 && ns >= 0 && ns < 1000000000;
}

const char *timers_check(const struct descriptor *d)
{
	const struct descriptor_posix_timer *t = descriptor_at(d, d->posix_timers);

	for (uint32_t i = 0; i < d->posix_timers.count; i++)
		if (t[i].id > INT32_MAX || (i && t[i].id <= t[i - 1].id) ||
		    t[i].clock > DESCRIPTOR_CLOCK_MAX || t[i].reserved ||
		    (t[i].notify & ~(uint32_t)SIGEV_THREAD_ID) > SIGEV_THREAD ||
		    t[i].signal > DESCRIPTOR_SIGNALS || t[i].thread >= d->threads.count ||
		    !is_time(t[i].interval_s, t[i].interval_ns) ||
		    !is_time(t[i].value_s, t[i].value_ns))
			return "a timer is malformed";
	return NULL;
}

void timers_lose(struct descriptor *d, struct losses *losses)
{
	const struct descriptor_posix_timer *t = descriptor_at(d, d->posix_timers);
	uint32_t count = d->posix_timers.count;

	if (!count || t[count - 1].id < IDS_MAX ||
	    prctl(PR_TIMER_CREATE_RESTORE_IDS, RESTORE_IDS_GET, 0, 0, 0) >= 0)
		return;
	losses_add(losses,
		   "it lacks POSIX timers of its parent, whose ids are too high for this kernel");
	d->posix_timers.count = 0;
}

#endif
#ifdef IN_RESTORER

#include "pie/freestanding.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>

void timers_restore(const struct restorer_args *a)
{
	const struct descriptor_timer *timers = a->descriptor->timers;

	for (int i = 0; i < DESCRIPTOR_TIMERS; i++) {
		long ret = 0;

		if (timers[i].value_s || timers[i].value_us)
			ret = sys(SYS_setitimer, i, &timers[i], 0);
		if (ret < 0)
			restore_fail(a, RESTORE_TIMER, ret, (uint64_t)i);
	}
}

/* The kernel's struct sigevent. */
struct event {
	uint64_t value;
	int32_t signal, notify, tid;
	int32_t rest[11];
};

/* With this id, or -errno. */
static long create(uint32_t clock, struct event *e, uint32_t id, bool by_id)
{
	int32_t got;
	long ret;

	do {
		got = (int32_t)id;
		ret = sys(SYS_timer_create, clock, e, &got);
		/* The id of one that went before: the kernel counts on. */
		if (!ret && (uint32_t)got != id)
			sys(SYS_timer_delete, got);
	} while (!ret && !by_id && (uint32_t)got < id);
	return ret || (uint32_t)got == id ? ret : -ERANGE;
}

void posix_timers_restore(const struct restorer_args *a,
			  int32_t (*tid_of)(const struct restorer_args *a, uint32_t thread))
{
	const struct descriptor *d = a->descriptor;
	const struct descriptor_posix_timer *t = descriptor_at(d, d->posix_timers);
	bool by_id = d->posix_timers.count &&
		     !sys(SYS_prctl, PR_TIMER_CREATE_RESTORE_IDS, RESTORE_IDS_ON, 0, 0, 0);

	for (uint32_t i = 0; i < d->posix_timers.count; i++) {
		struct event e = { .value = t[i].value,
				   .signal = (int32_t)t[i].signal,
				   .notify = (int32_t)t[i].notify };
		long ret;

		if (t[i].notify & SIGEV_THREAD_ID)
			e.tid = tid_of(a, t[i].thread);
		ret = create(t[i].clock, &e, t[i].id, by_id);
		if (!ret)
			ret = sys(SYS_timer_settime, t[i].id, 0, &t[i].interval_s, 0);
		if (ret < 0)
			restore_fail(a, RESTORE_TIMER, ret, t[i].id);
	}
	if (by_id)
		sys(SYS_prctl, PR_TIMER_CREATE_RESTORE_IDS, RESTORE_IDS_OFF, 0, 0, 0);
}

#endif
