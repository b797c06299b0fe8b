/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * forkable.h - a child whose program has no library of ours, as a tracer prepared it, cannot lift
 * MADV_DONTFORK from its memory before it forks (api/child.c tells why that is set). Once all of
 * its memory is there, it is made to.
 */
#ifndef MITOSIS_FORKABLE_H
#define MITOSIS_FORKABLE_H

#include "page/pager.h"

/* Areas that were filled on demand. */
struct forkable {
	struct descriptor_extent *areas;
	size_t count, room;
	/*
	 * A thread that changes such an area waits until that is heard: listen() is called until
	 * all stand still, and then complete() once, which adds what has come to be elsewhere.
	 */
	void (*listen)(void *data);
	int (*complete)(struct forkable *f);
	void *data;
};

/* 0 or -ENOMEM */
int forkable_add(struct forkable *f, uint64_t start, uint64_t end);
/*
 * The child stands still for a moment, and lets forks copy these areas, but for those that its
 * parent did not let them copy either. err: the areas are not all there. What fails is logged.
 * Frees the areas.
 */
void forkable_make(struct forkable *f, const struct pager *g, int err);

#endif
