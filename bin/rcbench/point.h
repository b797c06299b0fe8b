/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * point.h - one combination of a sweep: what is measured, by how many threads; what its threads
 * share.
 *
 * A thread takes a ticket for each thing it measures. With a rate, a ticket has the time at which
 * it is to begin, whichever thread is free then; what begins late is measured from that time.
 */
#ifndef RCBENCH_POINT_H
#define RCBENCH_POINT_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "samples.h"
#include "target.h"

enum operation { OPERATION_CONNECT, OPERATION_READ, OPERATION_WRITE, OPERATION_SEND, OPERATIONS };
extern const char *const operation_names[OPERATIONS];

struct point {
	enum operation operation;
	bool kernel, pipelined, reuse, verify;
	unsigned int threads;
	unsigned int depth;			/* connections of a thread: under way, or pooled */
	uint32_t size, outstanding;		/* of operations */
	uint64_t rate;				/* per second in all; 0: as fast as it goes */
	uint64_t count, duration_ns;		/* 0: no such limit */
	uint64_t interval_ns;			/* 0: raw samples */
	uint64_t timeout_ns, max_failures;
	const uint8_t *run;
	char devices[256], servers[256];	/* used at once */
	struct target **targets;		/* thread i uses number i % target_count */
	unsigned int target_count;

	pthread_barrier_t go;			/* all threads, and who started them */
	sem_t ended;				/* posted by a thread that is set up, or ended */
	_Atomic unsigned int set_up;
	uint64_t begun_ns, end_ns;
	_Atomic uint64_t tickets, failures;
	_Atomic bool stop;
};

struct worker {
	struct point *point;
	struct target *target;
	unsigned int index;
	pthread_t thread;
	_Atomic bool ended;
	int error;				/* errno: the thread could not begin */

	/* Since when it waits in the kernel: whoever watches wakes it by a signal now and then. */
	_Atomic uint64_t waiting_since;
	_Atomic uint64_t done;
	_Atomic uint64_t told_ns;		/* kernel: when .done was brought up to date */
	struct samples samples;			/* struct sample: connections that were made */
	struct samples shorts;			/* struct short_sample: pooled, operations */
	_Atomic uint64_t outcomes[OUTCOMES];
};

/*
 * When the last connection or operation may begin; 0: no limit. With a rate it is later than end_ns
 * by the timeout: what should have begun before the end and is late is measured nevertheless, since
 * to leave it out would be to leave out the worst.
 */
uint64_t point_end_ns(const struct point *p);
bool point_is_over(const struct point *p);
/* The next ticket's intended start; false: there is nothing more to begin. */
bool point_ticket(struct point *p, uint64_t *intended_ns);
/* Count an attempt that has ended; after too many failures the point is over. */
void worker_count(struct worker *w, enum outcome outcome);
/* A sample to be filled in, or NULL: not wanted, or no memory. */
void *worker_sample(struct worker *w, struct samples *store);
/* Sleep until then, or until the point is stopped: false. */
bool worker_sleep_until(struct worker *w, uint64_t ns);
/* All is set up: wait for the others. Called once by each thread, whether it can go on or not. */
void worker_start(struct worker *w);
/* The last thing a thread does; returns NULL. */
void *worker_end(struct worker *w);

#endif
