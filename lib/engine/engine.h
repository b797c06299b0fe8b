/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * engine.h - how snapshots are kept and how their pages travel. Engine "user" (user.c) needs
 * nothing but Linux, engine "kernel" (kernel.c) the module mitosis.ko. Nobody else asks which one
 * it is.
 */
#ifndef MITOSIS_ENGINE_H
#define MITOSIS_ENGINE_H

#include "format/reference.h"
#include "restore/plan.h"
#include "shadow/shadow.h"

struct engine {
	const char *name;
	enum reference_scheme scheme;	/* how references to its snapshots begin */

	/* On the parent's side. Could it take a snapshot? Async-signal-safe, says nothing. */
	bool (*is_available)(void);
	/* The same, for who asks for it by name: 0, or -errno, which is logged. */
	int (*check)(void);
	/* Open what the shadow needs of this engine, in the job. 0 or -errno, logged. */
	int (*open)(struct shadow_args *job);

	/*
	 * On the child's side: decide how the memory of a child of this snapshot arrives. 0 or
	 * -errno, logged.
	 */
	int (*memory)(struct child_memory *m, const struct reference *ref,
		      const struct descriptor *d, const struct mitosis_resume_args *args);
};
extern const struct engine engine_user, engine_kernel;

/* By its name; NULL: there is none. */
const struct engine *engine_find(const char *name);
/* The first that is available here. Async-signal-safe. */
const struct engine *engine_default(void);
/* The one that a reference to a snapshot names. */
const struct engine *engine_of(const struct reference *ref);

#endif
