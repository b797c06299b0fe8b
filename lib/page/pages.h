/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * pages.h - which pages of a child are still at the parent's host, and where they belong now.
 *
 * A page is known by its source address, which is the parent's. The child may have moved areas
 * since (mremap): segments map current addresses to source addresses. What lies in no segment, or
 * is not missing, is a due zero. Two bits per source page: missing, and under way.
 */
#ifndef MITOSIS_PAGES_H
#define MITOSIS_PAGES_H

#include <stdbool.h>

#include "format/descriptor.h"

struct segment {
	uint64_t start, end;		/* current addresses */
	uint64_t source;		/* of start */
};

struct pages {
	struct descriptor_extent *extents;	/* by source address, ascending */
	uint64_t *first;		/* number of pages before each extent */
	uint32_t extent_count;
	uint64_t total, missing;
	uint8_t *missing_bits, *asked_bits;
	struct segment *segments;	/* by current address, ascending */
	uint32_t segment_count, segment_room;
	bool moved;			/* some segment is not where it was */
};

#define NO_PAGE (~0ULL)

int pages_init(struct pages *p, const struct descriptor_extent *missing, uint32_t count);
void pages_free(struct pages *p);
int pages_add_segment(struct pages *p, uint64_t start, uint64_t end, uint64_t source);

/* Number of the source page at a current address, NO_PAGE if the parent never had one there. */
uint64_t pages_find(const struct pages *p, uint64_t address);
/* Number of the page with this source address, or NO_PAGE. */
uint64_t pages_find_source(const struct pages *p, uint64_t source);
uint64_t pages_source(const struct pages *p, uint64_t page);
/* Current address of a source address, 0 if it is nowhere any more. */
uint64_t pages_current(const struct pages *p, uint64_t source);
/* First number behind the extent that page belongs to. */
uint64_t pages_extent_end(const struct pages *p, uint64_t page);

bool pages_is_missing(const struct pages *p, uint64_t page);
bool pages_is_asked(const struct pages *p, uint64_t page);
void pages_set_asked(struct pages *p, uint64_t page, bool asked);
void pages_set_arrived(struct pages *p, uint64_t page);

/* Has something been moved into [start, end) from elsewhere? */
bool pages_moved_into(const struct pages *p, uint64_t start, uint64_t end);

/* What the child did to its address space: the three events of userfaultfd. */
void pages_removed(struct pages *p, uint64_t start, uint64_t end);
int pages_unmapped(struct pages *p, uint64_t start, uint64_t end);
int pages_remapped(struct pages *p, uint64_t from, uint64_t to, uint64_t length);

#endif
