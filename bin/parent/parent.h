/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* parent.h - mitosis-parent: a counter, the ancestor of a command, or who prepares a process. */
#ifndef PARENT_H
#define PARENT_H

#include <stdbool.h>
#include <stdint.h>

#include "mitosis.h"

/* process.c: can snapshots be taken with it? NULL: with whichever there is. Says why not. */
bool has_engine(const char *name);

/*
 * reference.c: to a file, NULL: to standard output. 0, or -1 after a message; the snapshot is
 * released then.
 */
int hand_over(const char *file, const char *ref);
/* A file that is there is its owner's alone from now on. 0, or -1 after a message. */
int make_private(const char *file);

/* All return an exit status. */

struct counter {
	uint64_t interval_ns, after, count, wss;
	const char *reference;
	struct mitosis_prepare_args *prepare;
};
int run_counter(const struct counter *c);

/* When a command is prepared: each of these that is set. */
struct occasion {
	int signo;			/* each time this process gets the signal */
	uint64_t after_ns;		/* once, so long after its start; 0: not */
	uint64_t port;			/* once, when it listens at this TCP port; 0: not */
};
/* Ends as the command ended. */
int run_command(char **command, const struct occasion *when, const char *reference,
		const struct mitosis_prepare_args *prepare);

/* Take a snapshot of a process that runs: 0, 1 after a message. */
int prepare_process(int pid, const char *reference, const struct mitosis_prepare_args *prepare);

#endif
