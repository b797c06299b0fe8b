// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * test-pages.c - the pager's bookkeeping against a plain model: an array with one entry per page of
 * a small address space, that says which source page belongs there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "page/pages.h"

#define SPACE	256u			/* pages of the model */
#define BASE	0x10000000ULL

static int failures;
static uint64_t random_state;

static uint32_t random_below(uint32_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state % n);
}

static uint64_t address(uint32_t page)
{
	return BASE + page * PAGE_BYTES;
}

#define EXPECT(condition) \
	((condition) ? (void)0 : (printf("test-pages.c:%d: not true: %s\n", __LINE__, #condition), (void)failures++))

/* Source page number behind each page of the space, or -1: not ours, or a due zero. */
static int model[SPACE];
static bool gone[SPACE];		/* by number of source page: fetched or thrown away */

static void forget(uint32_t from, uint32_t count)
{
	for (uint32_t i = from; i < from + count && i < SPACE; i++)
		if (model[i] >= 0)
			gone[model[i]] = true;
}

static void check_all(const struct pages *p, uint64_t seed, int step)
{
	uint64_t missing = 0;

	for (uint64_t page = 0; page < p->total; page++)
		missing += pages_is_missing(p, page);
	if (missing != p->missing) {
		printf("seed %llu, step %d: the count of missing pages is wrong\n", (unsigned long long)seed, step);
		failures++;
		return;
	}
	for (uint32_t i = 0; i < SPACE; i++) {
		uint64_t page = pages_find(p, address(i));
		bool due = page != NO_PAGE && pages_is_missing(p, page), want = model[i] >= 0 && !gone[model[i]];

		if (due != want || (due && page != (uint64_t)model[i]) ||
		    (due && pages_current(p, pages_source(p, page)) != address(i))) {
			printf("seed %llu, step %d: page %u\n", (unsigned long long)seed, step, i);
			failures++;
			return;
		}
	}
}

static void random_run(uint64_t seed)
{
	static const struct descriptor_extent extents[] = {
		{ BASE + 8 * PAGE_BYTES, 24 }, { BASE + 40 * PAGE_BYTES, 1 }, { BASE + 42 * PAGE_BYTES, 20 },
		{ BASE + 100 * PAGE_BYTES, 60 },
	};
	struct pages p;
	int number = 0;

	random_state = seed * 2654435761u + 1;
	for (uint32_t i = 0; i < SPACE; i++) {
		model[i] = -1;
		gone[i] = false;
	}
	for (int e = 0; e < 4; e++)
		for (uint32_t k = 0; k < extents[e].pages; k++)
			model[(extents[e].start - BASE) / PAGE_BYTES + k] = number++;
	if (pages_init(&p, extents, 4))
		exit(99);
	EXPECT(p.total == 105);
	EXPECT(!pages_add_segment(&p, address(100), address(170), address(100)));
	EXPECT(!pages_add_segment(&p, address(0), address(64), address(0)));
	for (int step = 0; step < 60 && !failures; step++) {
		uint32_t from = random_below(SPACE - 40), count = 1 + random_below(40), to;
		static int moved[SPACE];

		switch (random_below(4)) {
		case 0:
			forget(from, count);
			pages_removed(&p, address(from), address(from + count));
			break;
		case 1:
			forget(from, count);
			for (uint32_t i = from; i < from + count; i++)
				model[i] = -1;
			EXPECT(!pages_unmapped(&p, address(from), address(from + count)));
			break;
		case 2:
			/* The kernel: what is in the way is unmapped, the move, then the old place. */
			to = random_below(SPACE - 40);
			if (to + count > from && from + count > to)
				break;
			forget(to, count);
			for (uint32_t i = 0; i < count; i++) {
				moved[i] = model[from + i];
				model[from + i] = -1;
			}
			memcpy(&model[to], moved, count * sizeof(model[0]));
			EXPECT(!pages_unmapped(&p, address(to), address(to + count)));
			EXPECT(!pages_remapped(&p, address(from), address(to), count * PAGE_BYTES));
			EXPECT(!pages_unmapped(&p, address(from), address(from + count)));
			break;
		default:
			if (model[from] >= 0) {
				pages_set_asked(&p, (uint64_t)model[from], true);
				EXPECT(pages_is_asked(&p, (uint64_t)model[from]));
				pages_set_arrived(&p, (uint64_t)model[from]);
				pages_set_asked(&p, (uint64_t)model[from], false);
				EXPECT(!pages_is_asked(&p, (uint64_t)model[from]));
				gone[model[from]] = true;
			}
		}
		check_all(&p, seed, step);
	}
	pages_free(&p);
}

static void numbers(void)
{
	static const struct descriptor_extent extents[] = { { 0x1000, 2 }, { 0x5000, 3 } };
	struct pages p;

	if (pages_init(&p, extents, 2))
		exit(99);
	EXPECT(!pages_add_segment(&p, 0x0, 0x10000, 0x0));
	EXPECT(p.total == 5 && p.missing == 5);
	EXPECT(pages_find_source(&p, 0x1000) == 0 && pages_find_source(&p, 0x2000) == 1);
	EXPECT(pages_find_source(&p, 0x3000) == NO_PAGE && pages_find_source(&p, 0x0) == NO_PAGE);
	EXPECT(pages_find_source(&p, 0x5000) == 2 && pages_find_source(&p, 0x8000) == NO_PAGE);
	EXPECT(pages_source(&p, 4) == 0x7000);
	EXPECT(pages_extent_end(&p, 0) == 2 && pages_extent_end(&p, 1) == 2 && pages_extent_end(&p, 2) == 5);
	EXPECT(pages_find(&p, 0x20000) == NO_PAGE);
	pages_set_arrived(&p, 2);
	pages_set_arrived(&p, 2);
	EXPECT(p.missing == 4 && !pages_is_missing(&p, 2) && pages_is_missing(&p, 3));
	/* A second move brings it home. */
	EXPECT(!pages_remapped(&p, 0x5000, 0x105000, 0x3000));
	EXPECT(pages_find(&p, 0x106000) == 3 && pages_find(&p, 0x6000) == NO_PAGE);
	EXPECT(pages_current(&p, 0x6000) == 0x106000);
	EXPECT(!pages_unmapped(&p, 0x5000, 0x8000));
	EXPECT(p.missing == 4);
	EXPECT(!pages_remapped(&p, 0x105000, 0x5000, 0x3000));
	EXPECT(!pages_unmapped(&p, 0x105000, 0x108000));
	EXPECT(pages_find(&p, 0x6000) == 3 && pages_current(&p, 0x6000) == 0x6000 && p.missing == 4);
	pages_free(&p);
	EXPECT(!pages_init(&p, NULL, 0));
	EXPECT(!p.total && !p.missing && pages_find(&p, 0x1000) == NO_PAGE);
	pages_free(&p);
}

int main(void)
{
	numbers();
	for (uint64_t seed = 1; seed <= 3000 && !failures; seed++)
		random_run(seed);
	printf("test-pages: %d failures\n", failures);
	return failures != 0;
}
