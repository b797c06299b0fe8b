// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * limits.c - resource limits; one above what this user may have here becomes the most that is
 * allowed, and is named.
 */
#include "state/state.h"

#include <sys/resource.h>

#ifdef IN_SHADOW

#include "shadow/snapshot.h"

const char *limits_read(struct snapshot *s)
{
	for (int i = 0; i < DESCRIPTOR_LIMITS; i++)
		if (sys(SYS_prlimit64, 0, i, 0, &s->header.limits[i]) < 0)
			return "its resource limits cannot be read";
	return NULL;
}

#endif
#ifdef IN_LIBRARY

#include "restore/losses.h"

#include <stdio.h>

#include "sys.h"

static const char *const names[DESCRIPTOR_LIMITS] = {
	[RLIMIT_AS] = "as", [RLIMIT_CORE] = "core", [RLIMIT_CPU] = "cpu", [RLIMIT_DATA] = "data",
	[RLIMIT_FSIZE] = "fsize", [RLIMIT_LOCKS] = "locks", [RLIMIT_MEMLOCK] = "memlock",
	[RLIMIT_MSGQUEUE] = "msgqueue", [RLIMIT_NICE] = "nice", [RLIMIT_NOFILE] = "nofile",
	[RLIMIT_NPROC] = "nproc", [RLIMIT_RSS] = "rss", [RLIMIT_RTPRIO] = "rtprio",
	[RLIMIT_RTTIME] = "rttime", [RLIMIT_SIGPENDING] = "sigpending", [RLIMIT_STACK] = "stack",
};

const char *limits_check(const struct descriptor *d)
{
	for (int i = 0; i < DESCRIPTOR_LIMITS; i++)
		if (d->limits[i].soft > d->limits[i].hard)
			return "a resource limit is malformed";
	return NULL;
}

/* To lower one is allowed to everybody. */
bool limits_settle(struct descriptor *d)
{
	struct descriptor_limit have;

	for (int i = 0; i < DESCRIPTOR_LIMITS; i++)
		if (sys(SYS_prlimit64, 0, i, 0, &have) < 0 || d->limits[i].hard > have.hard)
			return true;
	return false;
}

void limits_try(const struct descriptor *d, struct descriptor_limit got[DESCRIPTOR_LIMITS])
{
	for (int i = 0; i < DESCRIPTOR_LIMITS; i++) {
		struct descriptor_limit want = d->limits[i], have;

		if (!sys(SYS_prlimit64, 0, i, &want, 0) || sys(SYS_prlimit64, 0, i, 0, &have) < 0)
			continue;
		want.hard = want.hard < have.hard ? want.hard : have.hard;
		want.soft = want.soft < want.hard ? want.soft : want.hard;
		got[i] = want;
	}
}

static void write_limit(uint64_t value, char text[32])
{
	if (value == ~0ULL)
		snprintf(text, 32, "unlimited");
	else
		snprintf(text, 32, "%llu", (unsigned long long)value);
}

void limits_lose(struct descriptor *d, const struct descriptor_limit got[DESCRIPTOR_LIMITS],
		 struct losses *losses)
{
	bool same_host = host_is_parents(d);

	for (int i = 0; i < DESCRIPTOR_LIMITS; i++) {
		struct descriptor_limit want = d->limits[i];
		char have[32], wanted[32];

		d->limits[i] = got[i];
		if (want.hard == got[i].hard)
			continue;
		/* A machine of another size has others of these two by itself. */
		if (!same_host && want.soft == want.hard &&
		    (i == RLIMIT_NPROC || i == RLIMIT_SIGPENDING))
			continue;
		write_limit(got[i].hard, have);
		write_limit(want.hard, wanted);
		losses_add(losses, "its limit %s is %s, not %s", names[i], have, wanted);
	}
}

#endif
#ifdef IN_RESTORER

#include "pie/freestanding.h"

void limits_restore(const struct restorer_args *a)
{
	for (int i = 0; i < DESCRIPTOR_LIMITS; i++) {
		long ret = sys(SYS_prlimit64, 0, i, &a->descriptor->limits[i], 0);

		if (ret < 0)
			restore_fail(a, RESTORE_LIMIT, ret, (uint64_t)i);
	}
}

#endif
