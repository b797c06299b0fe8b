/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * capture.h - what must be known of a process at the very instant of the snapshot, because a copy of it
 * made by clone(2) would not tell: what the kernel does not copy, and what goes on changing with the parent
 * (the position of an open file belongs to both). All else the shadow reads from itself, later.
 *
 * Filled by the program itself: self.c.
 */
#ifndef MITOSIS_CAPTURE_H
#define MITOSIS_CAPTURE_H

#include <stdbool.h>

#include "format/descriptor.h"
#include "frame.h"

#define CAPTURE_EXTENDED	FRAME_LEGACY	/* bytes of extended state, as arch_save() notes it */
#define CAPTURE_FDS_MAX		65536u

struct capture_position {
	uint32_t fd;
	uint32_t reserved;
	uint64_t position;
};

struct capture {
	struct descriptor_thread thread;	/* without name and alternate stack: a copy has these, too */
	uint8_t extended[CAPTURE_EXTENDED] __attribute__((aligned(64)));
	struct descriptor_timer timers[DESCRIPTOR_TIMERS];
	const struct capture_position *positions;	/* ascending by descriptor; none: it has no position */
	uint32_t position_count;
};

/*
 * Note what this process is, but for the registers, which are those of the call that goes on. The caller has
 * blocked all signals; mask is what it had before. 0, or -errno; -ENFILE: it has more open files than can be
 * noted. Async-signal-safe; one at a time.
 */
int capture_self(struct capture *c, uint64_t mask);

#endif
