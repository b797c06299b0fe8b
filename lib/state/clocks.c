// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * clocks.c - the clocks that count from a machine's start: to a point of time that a program has
 * noted by one, a child on another machine would wait for hours, or not at all.
 *
 * A time namespace moves them. On the parent's machine they go on as they are, but for what the
 * parent's own namespace adds. On another one they show what they would show at the parent's by
 * now, by the time of day of both; and never less than at prepare.
 */
#include "state/state.h"

#ifdef IN_SHADOW

#include "shadow/read.h"

#include <time.h>

static int64_t clock_ns(int clock)
{
	struct timespec t = { 0 };

	sys(SYS_clock_gettime, clock, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/*
 * A line of timens_offsets: "monotonic  -600  0". Without time namespaces there is no such file,
 * and no offset.
 */
static int64_t offset_of(const char *text, const char *name)
{
	for (; *text; text++) {
		const char *p = text + text_length(name);
		bool negative;
		int64_t s;

		if (!text_begins(text, name))
			continue;
		while (*p == ' ')
			p++;
		negative = *p == '-';
		p += negative;
		s = (int64_t)text_number(&p, 10);
		while (*p == ' ')
			p++;
		return (negative ? -s : s) * 1000000000LL + (int64_t)text_number(&p, 10);
	}
	return 0;
}

void clocks_read(struct snapshot *s)
{
	struct descriptor_clocks *c = &s->header.clocks;
	long n = read_whole("/proc/self/timens_offsets", s->scratch2, 1024);

	s->scratch2[n < 0 ? 0 : n] = '\0';
	*c = (struct descriptor_clocks){
		.now = { clock_ns(CLOCK_MONOTONIC), clock_ns(CLOCK_BOOTTIME) },
		.realtime = clock_ns(CLOCK_REALTIME),
		.offset = { offset_of(s->scratch2, "monotonic"),
			    offset_of(s->scratch2, "boottime") },
	};
}

#endif
#ifdef IN_LIBRARY

#include <stdio.h>
#include <string.h>
#include <time.h>

#define CLOCK_MOST	(1LL << 61)	/* 73 years; the kernel allows twice that */

const char *clocks_check(const struct descriptor *d)
{
	const struct descriptor_clocks *c = &d->clocks;

	for (int i = 0; i < DESCRIPTOR_CLOCKS; i++)
		if (c->now[i] < 0 || c->now[i] > CLOCK_MOST || c->offset[i] < -CLOCK_MOST ||
		    c->offset[i] > CLOCK_MOST)
			return "its clocks are malformed";
	return c->realtime < 0 || c->realtime > 4 * (CLOCK_MOST - 1) ? "its clocks are malformed"
								     : NULL;
}

static int64_t clock_ns(clockid_t clock)
{
	struct timespec t = { 0 };

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void offsets_here(int64_t offset[DESCRIPTOR_CLOCKS])
{
	static const char *const names[DESCRIPTOR_CLOCKS] = { "monotonic", "boottime" };
	FILE *f = fopen("/proc/self/timens_offsets", "re");
	char name[16];
	long long s, ns;

	for (int i = 0; i < DESCRIPTOR_CLOCKS; i++)
		offset[i] = 0;
	while (f && fscanf(f, "%15s %lld %lld", name, &s, &ns) == 3)
		for (int i = 0; i < DESCRIPTOR_CLOCKS; i++)
			if (!strcmp(name, names[i]))
				offset[i] = s * 1000000000LL + ns;
	if (f)
		fclose(f);
}

int64_t clocks_compare(const struct descriptor *d, int64_t offset[DESCRIPTOR_CLOCKS])
{
	const int64_t here[DESCRIPTOR_CLOCKS] = { clock_ns(CLOCK_MONOTONIC),
						  clock_ns(CLOCK_BOOTTIME) };
	const struct descriptor_clocks *c = &d->clocks;
	int64_t realtime = clock_ns(CLOCK_REALTIME), most = 0;
	bool same_host = host_is_parents(d);

	offsets_here(offset);
	for (int i = 0; i < DESCRIPTOR_CLOCKS; i++) {
		int64_t ahead = c->offset[i] - offset[i];

		if (!same_host) {
			int64_t passed = realtime > c->realtime ? realtime - c->realtime : 0;

			ahead = c->now[i] + passed - here[i];
		}
		offset[i] += ahead;
		if ((ahead < 0 ? -ahead : ahead) > (most < 0 ? -most : most))
			most = ahead;
	}
	return most;
}

#endif
