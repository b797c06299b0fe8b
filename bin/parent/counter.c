// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* counter.c - a program that prepares itself: it counts, and a child goes on counting. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "library.h"
#include "parent/parent.h"
#include "tool.h"
#include "wss.h"

int run_counter(const struct counter *c)
{
	struct timespec next;
	struct wss w = { 0 };
	uint64_t now;

	/* A missing engine is told at once, not at the tick that needs it. */
	if (c->after && !has_engine(c->prepare->engine))
		return STATUS_SKIP;
	if (c->reference && make_private(c->reference))
		return STATUS_FAILED;
	if (c->wss && wss_make(&w, c->wss, false)) {
		tool_error("--wss", "%s", strerror(errno));
		return STATUS_FAILED;
	}
	clock_gettime(CLOCK_MONOTONIC, &next);
	now = (uint64_t)next.tv_sec * 1000000000U + (uint64_t)next.tv_nsec;
	for (uint64_t n = 1; !c->count || n <= c->count; n++) {
		if (printf("tick %llu\n", (unsigned long long)n) < 0 || fflush(stdout)) {
			tool_note_write_error(errno);
			return STATUS_FAILED;
		}
		if (n == c->after) {
			char ref[MITOSIS_REF_MAX];
			int err = mitosis_prepare(c->prepare, ref);

			if (err < 0) {
				library_failed("prepare", err);
				return STATUS_FAILED;
			}
			if (err == 1) {
				/* In a child: it has its own clock to follow. */
				clock_gettime(CLOCK_MONOTONIC, &next);
				now = (uint64_t)next.tv_sec * 1000000000U + (uint64_t)next.tv_nsec;
			} else if (hand_over(c->reference, ref)) {
				return STATUS_FAILED;
			}
		}
		if (c->wss && wss_check(&w, n)) {
			tool_error("working set", "wrong byte at %p", wss_check(&w, n));
			return STATUS_FAILED;
		}
		if (n == c->count)
			break;
		now += c->interval_ns;
		next.tv_sec = (time_t)(now / 1000000000U);
		next.tv_nsec = (long)(now % 1000000000U);
		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL) == EINTR)
			;
	}
	return STATUS_OK;
}
