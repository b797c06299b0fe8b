/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * remote.h - the kernel module as the library uses it. Nothing here outside engine "kernel" and
 * pager.c.
 */
#ifndef MITOSIS_REMOTE_H
#define MITOSIS_REMOTE_H

#include <stdbool.h>
#include "format/descriptor.h"

struct control_message;
struct mitosis_resume_args;
struct reference;
struct workingset;

/* Is there a module with an RDMA device? Async-signal-safe. */
bool remote_can_serve(void);
/* /dev/mitosis, ready to serve a snapshot, or -errno, which is logged. */
int remote_device(void);

/* The memory of a snapshot as a file, or -errno, which is logged. */
int remote_open(const struct reference *ref, const struct descriptor *d,
		const struct mitosis_resume_args *args);
/*
 * Fetch these pages, in this order; -errno when that ended early. Returns when they are under way.
 */
int remote_prefetch(int fd, const struct descriptor_extent *extents, uint32_t count);
/*
 * The first run of pages at *start or behind it, in addresses of the parent, that the snapshot
 * holds and this process has not discarded; *pages 0: none. 0 or -errno.
 */
int remote_next(int fd, uint64_t *start, uint64_t *pages);
/* Fill in the counters of a STATS reply. */
void remote_stats(int fd, struct control_message *m);
/* Why it is lost, and where a page was missed first; 0: it is not. */
int remote_lost(int fd, uint64_t *address);
const char *remote_reason(int error);
/* Append what the child touched, in order. 0 or -errno. */
int remote_recorded(int fd, struct workingset *set);

#endif
