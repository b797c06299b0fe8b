/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * tracer.h - the life of a tracer. It is a process of its own, so that the stops that it waits for
 * are nobody else's business, and should it die, the kernel lets the other process go.
 */
#ifndef MITOSIS_TRACER_H
#define MITOSIS_TRACER_H

#include "capture/freeze.h"
#include "shadow/shadow.h"

struct trace_outcome {
	int err;			/* 0 or -errno */
	char why[FREEZE_WHY_MAX];	/* then: a sentence about the process, without its name */
};

struct trace_request {
	int pid;			/* of the process to be copied */
	unsigned int threads;		/* how many it has, more or less */
	/*
	 * The process shares its memory with the tracer, and made it: then it has the job's
	 * descriptors by their numbers, and the workspace is no part of the snapshot.
	 */
	bool is_caller;
	struct shadow_args *job;
	struct workspace memory;
	struct trace_outcome outcome;
};

/* In the tracer, with all signals blocked. */
void tracer_run(struct trace_request *t);

#endif
