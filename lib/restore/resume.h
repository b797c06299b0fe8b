/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* resume.h - one attempt at turning a reference into a child: what its parts hand to each other. */
#ifndef MITOSIS_RESUME_H
#define MITOSIS_RESUME_H

#include "engine/engine.h"
#include "format/workingset.h"
#include "restore/plan.h"

#include <sys/resource.h>

struct restorer_args;

struct resume {
	const struct reference *ref;
	const struct mitosis_resume_args *args;
	int socket_fd;			/* the connection to the shadow; -1: closed */
	struct descriptor *d;
	struct plan plan;
	struct child_memory memory;
	struct rlimit files;		/* as it was */
	int cwd;			/* O_PATH; -1: the caller's */
	int *opened;			/* for the child, parallel to the descriptor's files */
	uint64_t arena, arena_length;	/* 0: there is none */
	struct restorer_args *restorer;	/* in it */
	void *stack_top;
	struct workingset record, replay;
};

/* arena.c: map it, fill it, and read the hot pages into it. 0 or -errno, logged. */
int arena_build(struct resume *r);
/* start.c: fork; the copy becomes the child, the caller its supervisor. Returns only -errno. */
int start_child(struct resume *r);

#endif
