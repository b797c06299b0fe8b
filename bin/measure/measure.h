/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * measure.h - what the measuring tools share: engines, and parents of their own making.
 *
 * A parent is a process of the tool that fills its memory, is prepared, and waits. It tells its reference
 * and what else it found out through a pipe; when another pipe is closed, or the tool ends, it ends.
 */
#ifndef MEASURE_H
#define MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "mitosis.h"

/* Can snapshots be taken with engine kernel here? Says why not; only warns if others are measured. */
bool measure_has_kernel(bool others);
/* The same of children of engine user that fetch memory on demand. */
bool measure_has_demand(bool others);

/* Is a working set of 0 bytes among them? Says so, as wrong usage of --wss. */
bool measure_is_nothing(const uint64_t *wss, size_t n);

/* "kernel" or "user": how a reference says that its snapshot is reached. */
const char *measure_engine_of(const char *ref);

/*
 * The references among the arguments, and for "-" those among the lines of standard input: a list that
 * ends in NULL, or NULL with an exit status after a message. They are keys, so argv is overwritten.
 */
char **measure_references(const char **given, int argc, char **argv, int *status);
void measure_references_free(char **refs);
/* --serve: 0, or -1: nobody would ever learn it (the reason is told at exit). */
int measure_print_reference(const char *ref);

struct parent {
	pid_t pid;
	int report;		/* what the parent writes */
	int until;		/* it lives until this is closed */
};

/* live() gets its ends of the two pipes; it ends by parent_wait() or _exit(). 0, or -1 after a message. */
int parent_start(struct parent *p, void (*live)(const void *data, int report, int until), const void *data);
void parent_end(struct parent *p);
/* Until a signal asks to end (0), or one of them ends by itself (-1, after a message). */
int parents_serve(const struct parent *parents, size_t n);

/* In a parent: like mitosis_prepare(), but an error ends the process after a message. */
int parent_prepare(const char *engine, const char *listen, char ref[MITOSIS_REF_MAX]);
/* In a parent: to the end. */
void parent_wait(int until) __attribute__((noreturn));

#endif
