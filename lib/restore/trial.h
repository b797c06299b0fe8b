/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* trial.h - what of the parent's rights, settings and limits a child may have here. */
#ifndef MITOSIS_TRIAL_H
#define MITOSIS_TRIAL_H

#include "format/descriptor.h"
#include "restore/losses.h"

/*
 * Reduce the descriptor to what this process may give to a child, and name the rest. root: the
 * directory that will be the child's root; *root becomes -1, closed, if it may not be. *change:
 * there are credentials to change. 0 or -errno, logged for object.
 */
int trial_run(struct descriptor *d, const char *object, int *root, bool *change,
	      struct losses *losses);

#endif
