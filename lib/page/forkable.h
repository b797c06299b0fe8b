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

struct area_list;

struct forkable {
	/*
	 * A thread that changes an area waits until that is heard: listen() is called until all
	 * stand still. False: the child has become another program.
	 */
	bool (*listen)(void *data);
	/* All stand still: add the areas that were filled on demand. 0 or -errno. */
	int (*list)(void *data, struct area_list *areas);
	/* Forks may copy these now; they still stand still. */
	void (*done)(void *data, const struct area_list *areas);
	void *data;
};

/*
 * The child stands still for a moment, and lets forks copy these areas, but for those that its
 * parent did not let them copy either. What fails is logged.
 */
void forkable_make(const struct forkable *forkable, const struct pager *g);

#endif
