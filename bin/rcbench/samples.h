/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * samples.h - what was measured, kept in memory until the measuring is over: writing records
 * meanwhile would take processor time from what is measured.
 */
#ifndef RCBENCH_SAMPLES_H
#define RCBENCH_SAMPLES_H

#include <stddef.h>
#include <stdint.h>

#include "failures.h"

/* The life of a connection. */
enum step {
	STEP_CREATE_ID,
	STEP_RESOLVE_ADDR,
	STEP_RESOLVE_ROUTE,
	STEP_CREATE_QP,
	STEP_CONNECT,
	STEP_VERIFY,
	STEP_DISCONNECT,
	STEP_DESTROY,
	STEPS
};

struct sample {
	uint64_t seq;
	uint64_t ns[STEPS];
	uint64_t total_ns;
	uint64_t late_ns;		/* began so long after the intended start */
	uint16_t have;			/* bit n: ns[n] was measured */
	uint8_t outcome;		/* enum outcome */
};

/* What was taken from a pool, and operations: millions of them. */
struct short_sample {
	uint64_t seq, total_ns, late_ns;
	uint64_t outcome;
};

struct chunk;
struct samples {
	size_t size;			/* of one */
	size_t count;
	struct chunk *first, *last;
};

void samples_init(struct samples *s, size_t size);
/* Room for one more, zeroed; NULL: no memory. */
void *samples_add(struct samples *s);
void samples_each(const struct samples *s, void (*use)(const void *sample, void *data), void *data);
void samples_free(struct samples *s);

#endif
