// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * find.c - what a snapshot has at an address: its areas, and what is held of files without a name.
 */
#include "shadow/find.h"

#include <sys/mman.h>

static const struct descriptor_vma *find_area(const struct snapshot *s, uint32_t *last,
					      uint64_t address)
{
	uint32_t low = 0, high = s->n.vmas;

	if (*last < high && address >= s->vmas[*last].start && address < s->vmas[*last].end)
		return &s->vmas[*last];
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (s->vmas[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == s->n.vmas || s->vmas[low].start > address)
		return NULL;
	*last = low;
	return &s->vmas[low];
}

/* How many of at most `limit` pages from here on the area has (*present), or lacks. */
static uint64_t run_length(const struct snapshot *s, const struct descriptor_vma *area,
			   uint64_t address, uint64_t limit, bool *present)
{
	uint32_t low = area->first_extent, end = low + area->extents, high = end;
	uint64_t n;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (s->extents[middle].start + s->extents[middle].pages * PAGE_BYTES <= address)
			low = middle + 1;
		else
			high = middle;
	}
	*present = low < end && s->extents[low].start <= address;
	if (*present)
		n = s->extents[low].pages - (address - s->extents[low].start) / PAGE_BYTES;
	else
		n = low < end ? (s->extents[low].start - address) / PAGE_BYTES : limit;
	return n < limit ? n : limit;
}

/* What is held of a file without a name: the pages from here on; 0: none. */
static uint64_t held_pages(const struct snapshot *s, uint64_t address)
{
	for (uint32_t i = 0; i < s->n.nameless; i++) {
		const struct descriptor_nameless *f = &s->nameless[i];
		uint32_t low = f->first_run, end = low + f->runs, high = end;

		if (address < f->address || address - f->address >= f->size)
			continue;
		while (low < high) {
			uint32_t middle = low + (high - low) / 2;

			if (s->held[middle].start + s->held[middle].pages * PAGE_BYTES <= address)
				low = middle + 1;
			else
				high = middle;
		}
		if (low < end && s->held[low].start <= address)
			return s->held[low].pages - (address - s->held[low].start) / PAGE_BYTES;
	}
	return 0;
}

const char *snapshot_run(const struct snapshot *s, uint32_t *last, uint64_t address,
			 uint64_t limit, uint64_t *pages, bool *present)
{
	const struct descriptor_vma *area = find_area(s, last, address);
	uint64_t n = area ? (area->end - address) / PAGE_BYTES : held_pages(s, address);

	*present = true;
	if (!n || (area && area->flags & VMA_VDSO))
		return "address is not part of the snapshot";
	if (area && area->flags & VMA_SHARED &&
	    (area->prot & PROT_WRITE || area->flags & VMA_NAMELESS))
		return "shared writable memory is not part of the snapshot";
	if (n > limit)
		n = limit;
	/* A file mapping has all its pages, if not in memory then in the file. */
	if (area && !(area->flags & VMA_FILE))
		n = run_length(s, area, address, n, present);
	*pages = n;
	return NULL;
}
