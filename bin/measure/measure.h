/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * measure.h - what the measuring tools share: engines, and parents of their own making.
 *
 * A parent is a process of the tool that fills its memory, is prepared, and waits. It tells its
 * reference and what else it found out through a pipe; when another pipe is closed, or the tool
 * ends, it ends.
 */
#ifndef MEASURE_H
#define MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "mitosis.h"

/*
 * Can snapshots be taken with engine kernel here? Says why not; only warns if others are measured.
 */
bool measure_has_kernel(bool others);
/* The same of children of engine user that fetch memory on demand. */
bool measure_has_demand(bool others);

/* Page faults of this process so far that no device was needed for. */
uint64_t measure_minor_faults(void);

/* Is a working set of 0 bytes among them? Says so, as wrong usage of --wss. */
bool measure_is_nothing(const uint64_t *wss, size_t n);

struct parent {
	pid_t pid;
	int report;		/* what the parent writes */
	int until;		/* it lives until this is closed */
};

/*
 * live() gets its ends of the two pipes; it ends by parent_wait() or _exit(). 0, or -1 after a
 * message.
 */
typedef void parent_life(const void *data, int report, int until);
int parent_start(struct parent *p, parent_life *live, const void *data);
void parent_end(struct parent *p);

/* Make parent number i, and tell its reference. 0, or -1 after a message. */
typedef int parent_maker(const void *data, size_t i, struct parent *p, char ref[MITOSIS_REF_MAX]);
/*
 * --serve: n parents for children elsewhere, a reference a line on standard output. Until a signal
 * asks to end (0); -1 after a message if one could not be made, or ended by itself.
 */
int parents_serve(size_t n, parent_maker *make, const void *data);

/* In a parent: like mitosis_prepare(), but an error ends the process after a message. */
int parent_prepare(const char *engine, const char *listen, char ref[MITOSIS_REF_MAX]);
/* In a parent: to the end. */
void parent_wait(int until) __attribute__((noreturn));

#endif
