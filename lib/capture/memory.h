/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * memory.h - memory that a copy made by clone(2) does not have as the parent has it.
 *
 * What is marked MADV_DONTFORK is not in a copy at all. The sizes of both processes
 * (/proc/PID/statm) tell; the marks are lifted, and another copy is made. What is registered with
 * userfaultfd is no longer registered in a copy: its missing pages, which somebody fills for the
 * parent, are zeros there. Such a parent is refused. Shared memory is the parent's still: it stands
 * still until the copy has one of its own (state/nameless.c).
 */
#ifndef MITOSIS_CAPTURE_MEMORY_H
#define MITOSIS_CAPTURE_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

#include "capture/capture.h"

/* Last, before the copy is made. */
void memory_note(struct capture *c);
/* A line of maps: may it be of a file that no name leads to, and that somebody writes to? */
bool memory_is_nameless(const char *line);
/* Has a copy less than this process? Where in doubt the answer is yes. */
bool memory_is_missing(const struct capture *c, int copy);
/*
 * Let the next copy have what is marked MADV_DONTFORK, and note where that is. How many areas; 0
 * also where there are more than can be noted. memory_keep() marks them again.
 */
uint32_t memory_share(struct capture *c);
void memory_keep(const struct capture *c);
/*
 * A tracer has found them, which shares our memory: what a child's library knows is in the copy
 * that is made next.
 */
void memory_noted(const struct descriptor_extent *areas, uint32_t count);
/* In the parent, when there will be no more copies. */
void memory_done(struct capture *c);

/*
 * Call fn for what remains of [start, end) without the areas that were noted for the snapshot that
 * this process comes from, until it returns not 0, which is then returned.
 */
int memory_rest(uint64_t start, uint64_t end, int (*fn)(uint64_t start, uint64_t end));

#endif
