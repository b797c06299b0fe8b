/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * exectime.h - the parts of mitosis-exectime.
 *
 * Functions return 0, or -1 after a message, unless they say otherwise.
 */
#ifndef EXECTIME_H
#define EXECTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "measure/command.h"
#include "measure/engines.h"
#include "measure/measure.h"
#include "record.h"
#include "wss.h"

enum phase { PHASE_COLD, PHASE_WARM, PHASE_FORK, PHASE_COW, PHASE_CHILD, PHASE_CHILD2, PHASES };
extern const char *const phase_names[];

/* What an execution does. A child gets it with the parent's memory. */
struct work {
	uint64_t wss, touch;
	uint32_t random, write;
	uint64_t each;			/* time every page, without comparing it meanwhile */
};

struct life {
	struct work work;
	const char *engine, *listen;
	bool criu;			/* instead of an engine */
	bool fork;			/* let a forked child run too */
	uint64_t count;			/* without forking: executions */
};

struct plan {
	uint64_t *wss, *touch, *parallel;
	size_t wss_count, touch_count, parallel_count;
	struct engines engines;
	bool seq, random, read, write, each, push, phases[PHASES];
	bool no_demand;			/* engine user cannot fetch on demand on this host */
	uint64_t count, window;
	const char *listen, *images, *mode;
	struct child_options child;
	struct record_stream *out;

	/* of what is measured now */
	uint64_t parallel_now;		/* 0: without --parallel */
	double per_s;			/* executions, or NaN */
	uint64_t started_ns;		/* of the child whose results are taken */
	uint64_t done;			/* for the progress bar */
};

/* Number i of all combinations that were asked for; false behind the last. */
bool combination(const struct plan *p, size_t i, struct life *life);
size_t combinations(const struct plan *p);

/* ---- result.c: what a phase tells; a child's parent may be another build on another host ---- */

#define RESULT_MAGIC 0x33656d6974636578ULL
struct result {
	uint64_t magic;
	struct work work;
	uint64_t phase, exec_ns, faults, fetched_pages;
	uint64_t first_ns;		/* when it began to run, for the first result of a child */
	uint64_t ended_ns;		/* when the phase was over */
	uint64_t count;			/* --each: accesses whose times follow, 64 bits each */
	uint64_t *times;		/* these times, in the process that took them */
	uint64_t wrong;			/* address of a wrong word, or 0 */
};

/* In the process that is measured: it ends if nobody hears it. The times are freed. */
void result_tell(int fd, const struct result *r);
/* 0, 1 if there is none, or -1 after a message. */
int result_read(int fd, struct result *r);
/*
 * Read the next one; its records, unless p is NULL. 0, 1 if there is none, or -1 after a message.
 */
int result_take(struct plan *p, const char *engine, uint64_t iter, int fd);

/* ---- pass.c ---- */

/*
 * One pass over the touched pages; written back are the same values, or those of another seed. What
 * is wrong in what was read is in the result.
 */
struct result pass(struct wss *w, const struct work *k, enum phase phase, uint64_t seed);

/* ---- record.c ---- */

extern const struct record_column exectime_columns[];
extern const size_t exectime_column_count;

/* A record of the phase; exec_ns: of all of it, or of one access. */
void emit(struct plan *p, const char *engine, uint64_t iter, const struct result *r,
	  uint64_t exec_ns);

/* ---- parent.c: the life of a parent, and of each child of its snapshot from there on ---- */

parent_life live;
/* The phases of a parent up to its reference; with records unless p is NULL. */
int parent_hear(struct plan *p, const struct life *life, const struct parent *parent, uint64_t iter,
		char ref[MITOSIS_REF_MAX]);

/* ---- child.c ---- */

/* A parent, and a child of it if a phase of children was asked for. */
int run_one(struct plan *p, const struct life *life, uint64_t iter);
/*
 * Children of parents on other hosts: by the engines asked for, in turns, or as a reference says.
 */
int run_references(struct plan *p, char *const *refs);

/* ---- alone.c: --parallel, processes that are not forked while they are measured ---- */

int run_alone(struct plan *p);

#endif
