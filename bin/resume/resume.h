/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * resume.h - the parts of mitosis-resume.
 *
 * Functions return 0, or -1 after a message, unless they say otherwise.
 */
#ifndef RESUME_H
#define RESUME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "measure/command.h"
#include "measure/criu.h"
#include "measure/engines.h"
#include "measure/measure.h"
#include "record.h"

/* Children that come at a rate, for so long or so many. */
struct step {
	uint64_t rate, duration_ns, count;
};

struct plan {
	uint64_t *wss, *parallel;
	size_t wss_count, parallel_count;
	uint64_t count, warmup, touch;
	struct engines engines;
	bool demand, eager, replay, hold;
	bool user_demand;		/* on demand with engine user too */
	struct step *steps;
	size_t step_count;
	const char *listen, *images, *copy_to;
	struct child_options child;
	struct record_stream *out;
	uint64_t done;			/* children that were recorded, for the bar */
};

/* ---- record.c ---- */

extern const struct record_column resume_columns[];
extern const size_t resume_column_count;

struct sample {
	uint64_t resume_ns, life_ns, touched_ns, touch, pss;
	uint64_t at_ns, step, rate, copy_ns, image_bytes;
	double per_s;
	bool replay;
};

/* Write the record of a child, unless it only warms up. */
void emit(struct plan *p, const char *engine, uint64_t wss, const char *mode, uint64_t parallel,
	  uint64_t iter, const struct sample *s);

/* ---- parent.c: what a parent does, and each child of its snapshot from there on ---- */

struct life {
	const char *engine, *listen;
	uint64_t wss, touch;
	bool criu;			/* instead of an engine */
};

/* Make a parent that lives so, and tell its reference (of one for CRIU an empty one). */
int life_start(struct parent *p, const struct life *life, char ref[MITOSIS_REF_MAX]);

/* What a child says before it ends; the parent may be another build on another host. */
#define REPORT_MAGIC 0x32656d7573657274ULL
struct report {
	uint64_t magic, wss, touch, first_ns, touched_ns;
	uint64_t wrong;			/* address of a wrong word, or 0 */
	uint64_t pid;
};

/* Of a child that has ended without a report the magic is 0, and its status tells why. */
int report_read(struct child *c, struct report *r);

/* ---- children.c ---- */

/* Children of one snapshot: a run of them for each mode and number at a time. */
struct group {
	const char *engine;		/* for the records */
	const char *option;		/* for mitosis-child; NULL: what the reference says */
	const char *ref;
	const char *file;		/* what an earlier child touched, for --replay */
	char path[48];
	int record_fd;
	const struct criu_place *place;	/* engine criu: the images, of this parent */
	const struct parent *parent;
};

/* `parallel` at a time. With a working set every other child gets it. */
int run_children(struct plan *p, const struct group *g, const char *mode, uint64_t parallel);
/* One child that writes what it touches to the group's file. */
int run_recording(const struct plan *p, const struct group *g);

/* ---- snapshot.c: everything that is asked for of one snapshot ---- */

int run_snapshot(struct plan *p, const char *engine, uint64_t wss);
/* One of another mitosis-resume: by the engines asked for, or as its reference says. */
int run_reference(struct plan *p, const char *ref);
/* The baseline: CRIU saves the parent, which ends; each child has all memory before it runs. */
int run_criu(struct plan *p, uint64_t wss);

/* ---- floor.c: what nothing can be faster than ---- */

/* A forked child of a process with the same working set. */
int run_local(struct plan *p, uint64_t wss);
/* What starting any program costs here. */
int run_exec(struct plan *p);

#endif
