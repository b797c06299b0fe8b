// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* pass.c - one execution: a pass over the pages that are touched: see exectime.h. */
#include <sys/mman.h>
#include <unistd.h>

#include "clock.h"
#include "exectime/exectime.h"
#include "measure/measure.h"
#include "tool.h"

/*
 * One access to each of the pages, timed. The times get memory of their own that is there already,
 * and the bytes are compared afterwards, so that a fault is all that is measured.
 */
static uint64_t *touch_each(const struct wss *w, const struct work *k, uint64_t n)
{
	uint64_t *times = mmap(NULL, (n + 1) * sizeof(*times), PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	uint64_t before, now;

	if (times == MAP_FAILED)
		_exit(STATUS_FAILED);
	before = clock_now_ns();
	for (uint64_t i = 0; i < n; i++) {
		uint64_t page = k->random ? wss_permute(i, w->pages) : i;
		volatile uint64_t *word = w->base + page * 512;

		if (k->write)
			*word = *word;
		else
			(void)*word;
		now = clock_now_ns();
		times[i] = now - before;
		before = now;
	}
	return times;
}

struct result pass(struct wss *w, const struct work *k, enum phase phase, uint64_t seed)
{
	uint64_t n = w->pages * k->touch / 100, faults = measure_minor_faults();
	uint64_t start = clock_now_ns();
	struct result r = { .magic = RESULT_MAGIC, .work = *k, .phase = phase };

	if (k->each) {
		r.times = touch_each(w, k, n);
		r.count = n;
		r.exec_ns = clock_now_ns() - start;
		r.faults = measure_minor_faults() - faults;
	}
	for (uint64_t i = 0; i < n; i++) {
		uint64_t page = k->random ? wss_permute(i, w->pages) : i;

		if (phase != PHASE_COLD && !r.wrong)
			r.wrong = (uint64_t)(uintptr_t)wss_check_page(w, page);
		if (phase == PHASE_COLD || k->write)
			wss_fill_page(w, page, seed);
	}
	if (!k->each) {
		r.exec_ns = clock_now_ns() - start;
		r.faults = measure_minor_faults() - faults;
	}
	r.ended_ns = start + r.exec_ns;
	return r;
}
