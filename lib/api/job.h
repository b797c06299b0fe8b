/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* job.h - what both ways to take a snapshot have in common: see prepare.c. */
#ifndef MITOSIS_JOB_H
#define MITOSIS_JOB_H

#include "mitosis.h"
#include "shadow/shadow.h"

/*
 * Check the arguments, listen, choose the engine and open what it needs, write the reference. 0 or
 * -errno. Async-signal-safe.
 */
int job_open(struct shadow_args *job, const struct mitosis_prepare_args *args,
	     char ref[MITOSIS_REF_MAX]);
/* Our side of all that: the shadow has its own. */
void job_close(struct shadow_args *job);

#endif
