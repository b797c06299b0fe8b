/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* find.h - what a snapshot has at an address. */
#ifndef MITOSIS_SHADOW_FIND_H
#define MITOSIS_SHADOW_FIND_H

#include "shadow/snapshot.h"

/*
 * How many pages from this one on, at most limit, are all to be read in the shadow (*present), or
 * are all zeros: *pages, at least 1. *last is kept between calls of the same reader, and 0 at
 * first. NULL, or why it is not part of the snapshot.
 */
const char *snapshot_run(const struct snapshot *s, uint32_t *last, uint64_t address,
			 uint64_t limit, uint64_t *pages, bool *present);

/* So many pages have gone to children: the threads of place.c count, too. */
static inline void snapshot_fetched(struct snapshot *s, uint64_t pages)
{
	__atomic_fetch_add(&s->fetched_pages, pages, __ATOMIC_RELAXED);
}

#endif
