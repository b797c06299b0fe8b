// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* alone.c - processes that execute at the same time, and fork nothing: see exectime.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "exectime/exectime.h"
#include "measure/rate.h"
#include "progress.h"
#include "tool.h"

/* A process that executes when it is told to. */
static void live_alone(const void *data, int report, int until)
{
	const struct life *l = data;
	struct wss w = { 0 };
	char c = 'r';

	if (wss_make(&w, l->work.wss, false)) {
		tool_error("working set", "%s", strerror(errno));
		_exit(STATUS_FAILED);
	}
	if (write_exactly(report, &c, 1) || read_exactly(until, &c, 1))
		_exit(STATUS_FAILED);
	for (uint64_t i = 0; i < l->count; i++) {
		struct result r = pass(&w, &l->work, PHASE_WARM, w.seed);

		result_tell(report, &r);
	}
	_exit(0);
}

/* The one whose next execution ended first, of those that have more to tell. */
static size_t earliest(const struct result *next, const uint64_t *done, size_t n, uint64_t count)
{
	size_t first = 0;

	for (size_t i = 1; i < n; i++) {
		if (done[first] == count)
			first = i;
		else if (done[i] < count && next[i].ended_ns < next[first].ended_ns)
			first = i;
	}
	return first;
}

/*
 * Each has executed so many times: their results in the order in which the executions ended. A
 * result may have waited in its pipe, so the time when it is read does not give this order.
 */
static int hear_all(struct plan *p, const struct life *life, const struct parent *parents, size_t n)
{
	struct result *next = calloc(n, sizeof(*next));
	uint64_t *done = calloc(n, sizeof(*done)), total = n * life->count;
	struct rate rate = rate_begin(total, n, clock_now_ns());
	int err = next && done ? 0 : -1;

	for (size_t i = 0; i < n && !err; i++)
		err = write_exactly(parents[i].until, "g", 1);
	for (size_t i = 0; i < n && !err; i++)
		err = result_read(parents[i].report, &next[i]);
	for (uint64_t heard = 0; heard < total && !err; heard++) {
		size_t first = earliest(next, done, n, life->count);

		p->per_s = rate_add(&rate, next[first].ended_ns);
		emit(p, NULL, done[first]++, &next[first], next[first].exec_ns);
		err = record_error(p->out);
		if (!err && done[first] < life->count)
			err = result_read(parents[first].report, &next[first]);
		progress_update(++p->done);
	}
	free(next);
	free(done);
	return err;
}

static int run_at_once(struct plan *p, const struct life *life, size_t n)
{
	struct parent *parents = calloc(n, sizeof(*parents));
	size_t started = 0;
	int err = parents ? 0 : -1;
	char c;

	while (started < n && !err) {
		err = parent_start(&parents[started], live_alone, life);
		started += !err;
	}
	for (size_t i = 0; i < started && !err; i++)
		err = read_exactly(parents[i].report, &c, 1);
	if (!err)
		err = hear_all(p, life, parents, n);
	for (size_t i = 0; i < started; i++)
		parent_end(&parents[i]);
	free(parents);
	return err;
}

int run_alone(struct plan *p)
{
	struct life life;
	uint64_t total = 0;
	size_t n = combinations(p);
	int err = 0;

	for (size_t i = 0; i < p->parallel_count; i++)
		total += p->parallel[i] * p->count * n;
	progress_start("exectime", total);
	for (size_t i = 0; combination(p, i, &life) && !err; i++) {
		life.count = p->count;
		for (size_t k = 0; k < p->parallel_count && !err; k++) {
			p->parallel_now = p->parallel[k];
			err = run_at_once(p, &life, p->parallel[k]);
		}
	}
	progress_finish();
	return err;
}
