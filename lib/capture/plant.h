/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* plant.h - a copy that was made by a tracer becomes a shadow. */
#ifndef MITOSIS_PLANT_H
#define MITOSIS_PLANT_H

#include "capture/tracee.h"
#include "capture/workspace.h"
#include "shadow/shadow.h"

#define PLANT_WHY_MAX 256u

/*
 * Bring the shadow's program, its arguments and the capture into the copy, and let it go. give: the
 * descriptors in the job (listen_fd, device_fd, parent_fd, outcome_fd; -1: there is none) are ours,
 * and it gets them; else it has them. 0, or -errno with a sentence in why.
 */
int plant(struct tracee *copy, const struct tracee_space *space, const struct shadow_args *job,
	  struct workspace *memory, bool give, char why[PLANT_WHY_MAX]);

#endif
