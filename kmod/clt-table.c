// SPDX-License-Identifier: GPL-2.0-only
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * clt-table.c - which pages a snapshot of another host has, and under which keys they are read.
 *
 * The table comes from a host that may lie. Each number in it is checked before it is used, and
 * what is kept is our own form of it: page numbers (shifted) for the search, bitmaps, keys. Page
 * numbers and bitmaps never change afterwards, so they are read without a lock, in the fault path.
 * A host that is asked again has to give the same ones; only the keys are replaced, while no read
 * of the snapshot is posted.
 */
#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "clt-table.h"
#include "compat/compat.h"

#define WORDS		(MITOSIS_CHUNK_PAGES / 64)
/* The last chunk whose addresses are numbers of 64 bits. */
#define NUMBER_MAX	(~0ULL >> (PAGE_SHIFT + MITOSIS_CHUNK_SHIFT))

struct mitosis_table {
	u32 count;
	u64 pages;
	/* of chunks: page >> MITOSIS_CHUNK_SHIFT, ascending */
	u64 *numbers;
	unsigned long (*present)[WORDS];
	u32 *keys;
};

/* ---- OPENED ---- */

u32 mitosis_opened_chunks(const struct mitosis_message *m, unsigned int piece)
{
	return min(le32_to_cpu(m->chunk_count) - piece * MITOSIS_PIECE_CHUNKS,
		   MITOSIS_PIECE_CHUNKS);
}

static bool piece_is_valid(const struct mitosis_message *m, unsigned int piece)
{
	u64 address = le64_to_cpu(m->pieces[piece].address);
	u32 length = le32_to_cpu(m->pieces[piece].length);

	return length == mitosis_opened_chunks(m, piece) * sizeof(struct mitosis_chunk) &&
	       address + length >= address;
}

/* Exactly as many pieces as the chunks need, exactly as long; all else zero. */
static bool opened_is_valid(const struct mitosis_message *m)
{
	unsigned int pieces = le16_to_cpu(m->piece_count), i;
	u32 chunks = le32_to_cpu(m->chunk_count);
	u64 pages = le64_to_cpu(m->pages);

	if (pieces > MITOSIS_PIECES_MAX || chunks > MITOSIS_PIECES_MAX * MITOSIS_PIECE_CHUNKS ||
	    pieces != DIV_ROUND_UP(chunks, MITOSIS_PIECE_CHUNKS))
		return false;
	if (pages < chunks || pages > (u64)chunks * MITOSIS_CHUNK_PAGES)
		return false;
	for (i = 0; i < pieces; i++) {
		if (!piece_is_valid(m, i))
			return false;
	}
	return !memchr_inv(&m->pieces[pieces], 0,
			   (MITOSIS_PIECES_MAX - pieces) * sizeof(m->pieces[0]));
}

static bool refusal_is_valid(const struct mitosis_message *m)
{
	const size_t head = offsetof(struct mitosis_message, piece_count);

	return !memchr_inv((const u8 *)m + head, 0, sizeof(*m) - head);
}

int mitosis_opened_check(const struct mitosis_message *m)
{
	unsigned int reason = le16_to_cpu(m->reason);

	if (reason == MITOSIS_REASON_NONE)
		return opened_is_valid(m) ? 0 : -EPROTO;
	if (!refusal_is_valid(m))
		return -EPROTO;
	switch (reason) {
	case MITOSIS_REASON_NO_SNAPSHOT:
		return -ENOENT;
	case MITOSIS_REASON_BUSY:
		return -EBUSY;
	case MITOSIS_REASON_DEVICE:
		return -ENODEV;
	case MITOSIS_REASON_RESOURCES:
		return -ENOMEM;
	default:
		return -EPROTO;
	}
}

/* ---- Making it ---- */

void mitosis_table_free(struct mitosis_table *table)
{
	if (!table)
		return;
	kvfree(table->numbers);
	kvfree(table->present);
	kvfree(table->keys);
	kfree(table);
}

struct mitosis_table *mitosis_table_new(u32 count)
{
	struct mitosis_table *table = kzalloc(sizeof(*table), GFP_KERNEL);

	if (!table)
		return NULL;
	table->numbers = kvmalloc_array(count, sizeof(*table->numbers), GFP_KERNEL);
	table->present = kvmalloc_array(count, sizeof(*table->present), GFP_KERNEL);
	table->keys = kvmalloc_array(count, sizeof(*table->keys), GFP_KERNEL);
	if (table->numbers && table->present && table->keys)
		return table;
	mitosis_table_free(table);
	return NULL;
}

static bool chunk_is_valid(const struct mitosis_table *table, const struct mitosis_chunk *chunk)
{
	u64 first = le64_to_cpu(chunk->first_page), number = first >> MITOSIS_CHUNK_SHIFT;

	if (chunk->reserved || first % MITOSIS_CHUNK_PAGES || number > NUMBER_MAX)
		return false;
	if (table->count && number <= table->numbers[table->count - 1])
		return false;
	/* A chunk without pages is not in a table. */
	return memchr_inv(chunk->present, 0, sizeof(chunk->present));
}

int mitosis_table_add(struct mitosis_table *table, const struct mitosis_chunk *chunk)
{
	unsigned long *present = table->present[table->count];
	unsigned int i;

	BUILD_BUG_ON(BITS_PER_LONG != 64);
	if (!chunk_is_valid(table, chunk))
		return -EPROTO;
	for (i = 0; i < WORDS; i++)
		present[i] = le64_to_cpu(chunk->present[i]);
	table->numbers[table->count] = le64_to_cpu(chunk->first_page) >> MITOSIS_CHUNK_SHIFT;
	table->keys[table->count] = le32_to_cpu(chunk->rkey);
	table->pages += bitmap_weight(present, MITOSIS_CHUNK_PAGES);
	table->count++;
	return 0;
}

bool mitosis_tables_are_same(const struct mitosis_table *a, const struct mitosis_table *b)
{
	return a->count == b->count &&
	       !memcmp(a->numbers, b->numbers, a->count * sizeof(*a->numbers)) &&
	       !memcmp(a->present, b->present, a->count * sizeof(*a->present));
}

void mitosis_table_renew(struct mitosis_table *table, const struct mitosis_table *later)
{
	memcpy(table->keys, later->keys, later->count * sizeof(*table->keys));
}

/* ---- Questions ---- */

/* The first chunk at or behind number; .count: none. */
static u32 table_search(const struct mitosis_table *table, u64 number)
{
	u32 low = 0, high = table->count;

	while (low < high) {
		u32 middle = low + (high - low) / 2;

		if (table->numbers[middle] < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

u64 mitosis_table_pages(const struct mitosis_table *table)
{
	return table->pages;
}

bool mitosis_table_has(const struct mitosis_table *table, pgoff_t page)
{
	u32 i = table_search(table, page >> MITOSIS_CHUNK_SHIFT);

	return i < table->count && table->numbers[i] == page >> MITOSIS_CHUNK_SHIFT &&
	       test_bit(page % MITOSIS_CHUNK_PAGES, table->present[i]);
}

/* The key for count pages from first, if they are all there and in one chunk. */
bool mitosis_table_key(const struct mitosis_table *table, pgoff_t first, unsigned int count,
		       u32 *key)
{
	unsigned int inside = first % MITOSIS_CHUNK_PAGES;
	u32 i = table_search(table, first >> MITOSIS_CHUNK_SHIFT);

	if (i == table->count || table->numbers[i] != first >> MITOSIS_CHUNK_SHIFT ||
	    inside + count > MITOSIS_CHUNK_PAGES ||
	    find_next_zero_bit(table->present[i], inside + count, inside) < inside + count)
		return false;
	*key = table->keys[i];
	return true;
}

/* How many pages, up to most, follow each other from bit inside of chunk i, which is set. */
static unsigned long table_run(const struct mitosis_table *table, u32 i, unsigned int inside,
			       unsigned long most)
{
	unsigned long pages = 0;
	unsigned int end;

	for (;;) {
		end = find_next_zero_bit(table->present[i], MITOSIS_CHUNK_PAGES, inside);
		pages += end - inside;
		if (pages >= most)
			return most;
		if (end < MITOSIS_CHUNK_PAGES || i + 1 == table->count ||
		    table->numbers[i + 1] != table->numbers[i] + 1)
			return pages;
		inside = 0;
		i++;
	}
}

unsigned long mitosis_table_next(const struct mitosis_table *table, pgoff_t *page,
				 unsigned long most)
{
	u64 number = *page >> MITOSIS_CHUNK_SHIFT;
	u32 i = table_search(table, number);
	unsigned int inside = 0;

	if (i < table->count && table->numbers[i] == number)
		inside = *page % MITOSIS_CHUNK_PAGES;
	for (; i < table->count; i++, inside = 0) {
		inside = find_next_bit(table->present[i], MITOSIS_CHUNK_PAGES, inside);
		if (inside == MITOSIS_CHUNK_PAGES)
			continue;
		*page = (table->numbers[i] << MITOSIS_CHUNK_SHIFT) + inside;
		return table_run(table, i, inside, most);
	}
	return 0;
}
