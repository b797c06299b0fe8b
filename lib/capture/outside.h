/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* outside.h - a process that stands still is noted and copied, by its tracer. */
#ifndef MITOSIS_OUTSIDE_H
#define MITOSIS_OUTSIDE_H

#include "capture/capture.h"
#include "capture/freeze.h"

/*
 * Note what the process is; the arrays of the capture lie in the workspace. 0, or -errno with
 * f->why.
 */
int capture_outside(struct capture *c, struct frozen *f);

/*
 * Areas with MADV_DONTFORK, which a copy would lack; found while the process runs, since that takes
 * long.
 */
struct unforkable {
	struct descriptor_extent *areas, last;
	uint32_t count, room;
	/*
	 * The tracer's own memory, if it is in that process. It may lie beside other such memory,
	 * in one area with it.
	 */
	uint64_t leave_out, leave_out_end;
};
int unforkable_find(struct unforkable *u, struct frozen *f);

/*
 * Is a file mapped there that no name leads to, as far as is known while it runs? 0, or -errno with
 * f->why.
 */
int nameless_look(struct frozen *f, bool *found);

/*
 * Copy it: *copy is a process that has never run, traced and stopped, whose parent is not the
 * process but who adopts orphans there; except where the process itself does so. 0, or -errno with
 * f->why. -EAGAIN: there is a copy, but it lacks areas that u does not list.
 */
int capture_copy(struct capture *c, struct frozen *f, const struct unforkable *u,
		 struct tracee *copy);

#endif
