// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* pages.c - the pager's bookkeeping, without any system call: see pages.h. */
#include "page/pages.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int pages_init(struct pages *p, const struct descriptor_extent *missing, uint32_t count)
{
	*p = (struct pages){ .extent_count = count };
	p->extents = calloc(count + 1, sizeof(*p->extents));
	p->first = calloc(count + 1, sizeof(*p->first));
	if (!p->extents || !p->first)
		goto nomem;
	for (uint32_t i = 0; i < count; i++) {
		p->extents[i] = missing[i];
		p->first[i] = p->total;
		p->total += missing[i].pages;
	}
	p->first[count] = p->total;
	p->missing = p->total;
	p->missing_bits = malloc(p->total / 8 + 1);
	p->asked_bits = calloc(p->total / 8 + 1, 1);
	if (!p->missing_bits || !p->asked_bits)
		goto nomem;
	memset(p->missing_bits, 0xff, p->total / 8 + 1);
	return 0;
nomem:
	pages_free(p);
	return -ENOMEM;
}

void pages_free(struct pages *p)
{
	free(p->extents);
	free(p->first);
	free(p->missing_bits);
	free(p->asked_bits);
	free(p->segments);
	*p = (struct pages){ 0 };
}

/* Index of the first segment that ends behind address. */
static uint32_t segment_at(const struct pages *p, uint64_t address)
{
	uint32_t low = 0, high = p->segment_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (p->segments[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int pages_add_segment(struct pages *p, uint64_t start, uint64_t end, uint64_t source)
{
	uint32_t at = segment_at(p, start);

	if (p->segment_count == p->segment_room) {
		uint32_t room = p->segment_room ? 2 * p->segment_room : 64;
		struct segment *more = realloc(p->segments, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		p->segments = more;
		p->segment_room = room;
	}
	memmove(&p->segments[at + 1], &p->segments[at],
		(p->segment_count - at) * sizeof(*p->segments));
	p->segments[at] = (struct segment){ start, end, source };
	p->segment_count++;
	if (start != source)
		p->moved = true;
	return 0;
}

uint64_t pages_find_source(const struct pages *p, uint64_t source)
{
	uint32_t low = 0, high = p->extent_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (p->extents[middle].start + p->extents[middle].pages * PAGE_BYTES <= source)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == p->extent_count || source < p->extents[low].start)
		return NO_PAGE;
	return p->first[low] + (source - p->extents[low].start) / PAGE_BYTES;
}

uint64_t pages_find(const struct pages *p, uint64_t address)
{
	uint32_t i = segment_at(p, address);

	if (i == p->segment_count || address < p->segments[i].start)
		return NO_PAGE;
	return pages_find_source(p, p->segments[i].source + (address - p->segments[i].start));
}

static uint32_t extent_of(const struct pages *p, uint64_t page)
{
	uint32_t low = 0, high = p->extent_count;

	while (low + 1 < high) {
		uint32_t middle = low + (high - low) / 2;

		if (p->first[middle] <= page)
			low = middle;
		else
			high = middle;
	}
	return low;
}

uint64_t pages_source(const struct pages *p, uint64_t page)
{
	uint32_t i = extent_of(p, page);

	return p->extents[i].start + (page - p->first[i]) * PAGE_BYTES;
}

uint64_t pages_extent_end(const struct pages *p, uint64_t page)
{
	return p->first[extent_of(p, page) + 1];
}

uint64_t pages_current(const struct pages *p, uint64_t source)
{
	uint32_t i = segment_at(p, source);

	/* Nearly always nothing has moved. */
	if (i < p->segment_count && source >= p->segments[i].start &&
	    p->segments[i].source == p->segments[i].start)
		return source;
	if (!p->moved)
		return 0;
	for (i = 0; i < p->segment_count; i++) {
		const struct segment *s = &p->segments[i];

		if (source >= s->source && source - s->source < s->end - s->start)
			return s->start + (source - s->source);
	}
	return 0;
}

bool pages_is_missing(const struct pages *p, uint64_t page)
{
	return p->missing_bits[page / 8] >> (page % 8) & 1;
}

bool pages_is_asked(const struct pages *p, uint64_t page)
{
	return p->asked_bits[page / 8] >> (page % 8) & 1;
}

void pages_set_asked(struct pages *p, uint64_t page, bool asked)
{
	if (asked)
		p->asked_bits[page / 8] |= (uint8_t)(1u << page % 8);
	else
		p->asked_bits[page / 8] &= (uint8_t)~(1u << page % 8);
}

void pages_set_arrived(struct pages *p, uint64_t page)
{
	if (pages_is_missing(p, page)) {
		p->missing_bits[page / 8] &= (uint8_t)~(1u << page % 8);
		p->missing--;
	}
}

/* The source pages in [source, source + length) are zeros from now on. */
static void forget(struct pages *p, uint64_t source, uint64_t length)
{
	for (uint32_t i = 0; i < p->extent_count; i++) {
		uint64_t start = p->extents[i].start,
			 end = start + p->extents[i].pages * PAGE_BYTES;
		uint64_t from = start > source ? start : source;
		uint64_t to = end < source + length ? end : source + length;

		for (uint64_t at = from; at < to; at += PAGE_BYTES)
			pages_set_arrived(p, p->first[i] + (at - start) / PAGE_BYTES);
	}
}

void pages_removed(struct pages *p, uint64_t start, uint64_t end)
{
	for (uint32_t i = segment_at(p, start); i < p->segment_count && p->segments[i].start < end;
	     i++) {
		const struct segment *s = &p->segments[i];
		uint64_t from = start > s->start ? start : s->start,
			 to = end < s->end ? end : s->end;

		forget(p, s->source + (from - s->start), to - from);
	}
}

bool pages_moved_into(const struct pages *p, uint64_t start, uint64_t end)
{
	for (uint32_t i = segment_at(p, start); i < p->segment_count && p->segments[i].start < end;
	     i++)
		if (p->segments[i].start != p->segments[i].source)
			return true;
	return false;
}

/* Take [start, end) out of the segments. */
static int cut(struct pages *p, uint64_t start, uint64_t end)
{
	uint32_t i = segment_at(p, start);

	while (i < p->segment_count && p->segments[i].start < end) {
		struct segment old = p->segments[i];

		if (old.start < start && old.end > end) {
			p->segments[i].end = start;
			return pages_add_segment(p, end, old.end, old.source + (end - old.start));
		}
		if (old.start < start) {
			p->segments[i++].end = start;
		} else if (old.end > end) {
			p->segments[i].source += end - old.start;
			p->segments[i].start = end;
			return 0;
		} else {
			memmove(&p->segments[i], &p->segments[i + 1],
				(p->segment_count - i - 1) * sizeof(*p->segments));
			p->segment_count--;
		}
	}
	return 0;
}

int pages_unmapped(struct pages *p, uint64_t start, uint64_t end)
{
	pages_removed(p, start, end);
	return cut(p, start, end);
}

/*
 * The kernel announces a move before it announces that the old range is unmapped; by then the
 * pages are found at the new address only, so the second event forgets nothing.
 */
int pages_remapped(struct pages *p, uint64_t from, uint64_t to, uint64_t length)
{
	struct segment *taken = NULL;
	uint32_t count = 0;
	int err;

	for (uint32_t i = segment_at(p, from);
	     i < p->segment_count && p->segments[i].start < from + length; i++) {
		struct segment s = p->segments[i];
		struct segment *more = realloc(taken, (count + 1) * sizeof(*taken));
		uint64_t start = s.start > from ? s.start : from;
		uint64_t end = s.end < from + length ? s.end : from + length;

		if (!more) {
			free(taken);
			return -ENOMEM;
		}
		taken = more;
		taken[count++] = (struct segment){ to + (start - from), to + (end - from),
						   s.source + (start - s.start) };
	}
	err = cut(p, from, from + length);
	/* What was at the new place has been unmapped, whether or not its event has come yet. */
	if (!err)
		err = pages_unmapped(p, to, to + length);
	for (uint32_t i = 0; i < count && !err; i++)
		err = pages_add_segment(p, taken[i].start, taken[i].end, taken[i].source);
	if (count)
		p->moved = true;
	free(taken);
	return err;
}
