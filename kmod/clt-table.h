/* SPDX-License-Identifier: GPL-2.0-only */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* clt-table.h - which pages a snapshot of another host has, and under which keys they are read. */
#ifndef MITOSIS_CLT_TABLE_H
#define MITOSIS_CLT_TABLE_H

#include <linux/types.h>
#include "protocol.h"

struct mitosis_table;

/*
 * What an OPENED says: 0 and a table in valid pieces, or why there is none; -EPROTO where it makes
 * no sense.
 */
int mitosis_opened_check(const struct mitosis_message *m);
/* Of an OPENED that is valid: so many chunks are in that piece. */
u32 mitosis_opened_chunks(const struct mitosis_message *m, unsigned int piece);

/* An empty one with room for so many chunks, which are added in ascending order: 0 or -EPROTO. */
struct mitosis_table *mitosis_table_new(u32 count);
int mitosis_table_add(struct mitosis_table *table, const struct mitosis_chunk *chunk);
void mitosis_table_free(struct mitosis_table *table);	/* or NULL */

/* Of the same pages, whatever the keys? Then the first may take those of the second. */
bool mitosis_tables_are_same(const struct mitosis_table *a, const struct mitosis_table *b);
void mitosis_table_renew(struct mitosis_table *table, const struct mitosis_table *later);

/* Any context from here on. */
u64 mitosis_table_pages(const struct mitosis_table *table);
bool mitosis_table_has(const struct mitosis_table *table, pgoff_t page);
/* The key for count pages from first, if they are all there and in one chunk. */
bool mitosis_table_key(const struct mitosis_table *table, pgoff_t first, unsigned int count,
		       u32 *key);
/* The first run of pages at or behind *page: its length, most if it is longer; 0: none. */
unsigned long mitosis_table_next(const struct mitosis_table *table, pgoff_t *page,
				 unsigned long most);

#endif
