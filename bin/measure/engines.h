/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * engines.h - what a measuring tool is asked to measure: engines, and what they are compared with.
 */
#ifndef MEASURE_ENGINES_H
#define MEASURE_ENGINES_H

#include <stdbool.h>

/* A tool's own plan has some of them; those that it does not offer stay false. */
struct engines {
	bool user, kernel;	/* children of a snapshot */
	bool local;		/* children by fork(2) */
	bool criu;		/* processes that criu dump saved */
	bool exec;		/* /bin/true */
};

unsigned int engines_count(const struct engines *e);

/*
 * Leave out what cannot run on this host, each after a message; false: nothing is left of what was
 * asked for.
 */
bool engines_left(struct engines *e);

/* Add the engines of references: what each says, if none was asked for. */
void engines_add(struct engines *e, char *const *refs);

#endif
