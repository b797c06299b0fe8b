// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* workingset.c - lists of touched pages: see workingset.h. */
#include "format/workingset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 256u /* pages whose order of touch may be given up for larger transfers */

static uint64_t mix(uint64_t hash, const void *data, uint64_t bytes)
{
	const uint8_t *byte = data;

	for (uint64_t i = 0; i < bytes; i++)
		hash = (hash ^ byte[i]) * 0x100000001b3ULL;
	return hash;
}

uint64_t workingset_program(const struct descriptor *d)
{
	const struct descriptor_mapped *f = descriptor_at(d, d->mapped);
	const char *exe = descriptor_string(d, d->exe);
	uint64_t hash = mix(0xcbf29ce484222325ULL, exe, strlen(exe));

	for (uint32_t i = 0; i < d->mapped.count; i++) {
		if (strcmp(descriptor_string(d, f[i].path), exe))
			continue;
		hash = mix(hash, &f[i].size, sizeof(f[i].size));
		if (f[i].build_id_length)
			return mix(hash, f[i].build_id, f[i].build_id_length);
		return mix(hash, &f[i].mtime_ns, sizeof(f[i].mtime_ns));
	}
	return hash;
}

uint64_t workingset_layout(const struct descriptor *d)
{
	const uint64_t anchors[] = {
		d->mm.start_code, d->mm.start_brk, d->mm.start_stack, d->vdso_start, d->child_state,
	};

	return mix(0xcbf29ce484222325ULL, anchors, sizeof(anchors));
}

int workingset_add(struct workingset *w, uint64_t address)
{
	struct descriptor_extent *last = w->count ? &w->extents[w->count - 1] : NULL;

	w->pages++;
	if (last && last->start + last->pages * PAGE_BYTES == address) {
		last->pages++;
		return 0;
	}
	if (w->count == w->room) {
		uint32_t room = w->room ? 2 * w->room : 256;
		struct descriptor_extent *more = realloc(w->extents, room * sizeof(*more));

		if (!more) {
			w->pages--;
			return -ENOMEM;
		}
		w->extents = more;
		w->room = room;
	}
	w->extents[w->count++] = (struct descriptor_extent){ address, 1 };
	return 0;
}

static int by_address(const void *a, const void *b)
{
	const struct descriptor_extent *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

void workingset_merge(struct workingset *w)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < w->count;) {
		uint64_t pages = w->extents[i].pages;
		uint32_t n = 1, first = kept;

		while (i + n < w->count && pages + w->extents[i + n].pages <= BATCH)
			pages += w->extents[i + n++].pages;
		qsort(&w->extents[i], n, sizeof(*w->extents), by_address);
		for (uint32_t k = 0; k < n; k++) {
			struct descriptor_extent e = w->extents[i + k];

			if (kept > first &&
			    w->extents[kept - 1].start + w->extents[kept - 1].pages * PAGE_BYTES ==
				    e.start)
				w->extents[kept - 1].pages += e.pages;
			else
				w->extents[kept++] = e;
		}
		i += n;
	}
	w->count = kept;
}

void workingset_free(struct workingset *w)
{
	free(w->extents);
	*w = (struct workingset){ 0 };
}

int workingset_check(const void *data, uint64_t length, const char **why)
{
	const struct workingset_header *h = data;
	const struct descriptor_extent *e = (const void *)(h + 1);
	uint64_t pages = 0;

	*why = "not a working set";
	if (length < sizeof(*h) || h->magic != WORKINGSET_MAGIC)
		return -EPROTO;
	*why = "a working set of another version";
	if (h->major != WORKINGSET_MAJOR)
		return -EPROTO;
	*why = "a working set with another page size";
	if (h->page_size != PAGE_BYTES)
		return -EPROTO;
	*why = "truncated, or longer than it says";
	if (h->length != length || length > WORKINGSET_MAX || h->reserved ||
	    length - sizeof(*h) != h->extents * (uint64_t)sizeof(*e))
		return -EPROTO;
	*why = "damaged";
	if (descriptor_hash(e, h->extents * (uint64_t)sizeof(*e)) != h->hash)
		return -EPROTO;
	*why = "impossible page addresses";
	for (uint32_t i = 0; i < h->extents; i++) {
		if (e[i].start % PAGE_BYTES || e[i].start >= USER_END || !e[i].pages ||
		    e[i].pages > (USER_END - e[i].start) / PAGE_BYTES)
			return -EPROTO;
		pages += e[i].pages;
	}
	if (pages != h->pages)
		return -EPROTO;
	return 0;
}
