// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* store.c - all samples in memory, by group and measured column. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "store.h"
#include "tool.h"

static void *checked(void *p)
{
	if (!p) {
		tool_error(NULL, "%s", strerror(ENOMEM));
		exit(STATUS_FAILED);
	}
	return p;
}

void *allocate(size_t n, size_t size)
{
	return checked(calloc(n ? n : 1, size));
}

void *allocate_raw(size_t n, size_t size)
{
	return checked(reallocarray(NULL, n ? n : 1, size));
}

void *reallocate(void *p, size_t n, size_t size)
{
	return checked(reallocarray(p, n ? n : 1, size));
}

char *duplicate(const char *s, size_t len)
{
	char *copy = allocate(len + 1, 1);

	memcpy(copy, s, len);
	return copy;
}

size_t names_find(const struct names *names, const char *name)
{
	size_t i;

	for (i = 0; i < names->n; i++) {
		if (!strcmp(names->name[i], name))
			return i;
	}
	return SIZE_MAX;
}

size_t names_add(struct names *names, const char *name)
{
	size_t i = names_find(names, name);

	if (i != SIZE_MAX)
		return i;
	names->name = reallocate(names->name, names->n + 1, sizeof(*names->name));
	names->name[names->n] = duplicate(name, strlen(name));
	return names->n++;
}

void names_free(struct names *names)
{
	size_t i;

	for (i = 0; i < names->n; i++)
		free(names->name[i]);
	free(names->name);
	*names = (struct names){ 0 };
}

/*
 * Samples live in chunks out of large regions, with huge pages where the kernel has them: with many
 * groups growing at the same time, page faults and moved arrays would cost more than all parsing.
 * A set's first chunk is small and each further one twice as large, up to a limit; so little is
 * wasted on small sets and on large ones.
 */
#define REGION_BYTES (8u << 20)
#define CHUNK_LEAST 12u		/* samples */
#define CHUNK_MOST 4094u	/* with the header 32 KiB */

struct chunk {
	struct chunk *next;
	size_t room;
	double v[];
};

struct region {
	struct region *next;
};

static struct region *regions;
static char *pool_at, *pool_end;

static void *pool_take(size_t bytes)
{
	struct region *r;
	void *p;

	if ((size_t)(pool_end - pool_at) < bytes) {
		p = mmap(NULL, REGION_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);
		checked(p == MAP_FAILED ? NULL : p);
		madvise(p, REGION_BYTES, MADV_HUGEPAGE);	/* a wish, not a need */
		r = p;
		r->next = regions;
		regions = r;
		pool_at = (char *)p + 64;
		pool_end = (char *)p + REGION_BYTES;
	}
	p = pool_at;
	pool_at += bytes;
	return p;
}

static void pool_free(void)
{
	struct region *r;

	while (regions) {
		r = regions;
		regions = r->next;
		munmap(r, REGION_BYTES);
	}
	pool_at = NULL;
	pool_end = NULL;
}

void samples_grow(struct samples *s)
{
	size_t room = s->last ? 2 * s->last->room + 2 : CHUNK_LEAST;
	struct chunk *c;

	if (room > CHUNK_MOST)
		room = CHUNK_MOST;
	c = pool_take(sizeof(*c) + room * sizeof(double));
	c->room = room;
	c->next = NULL;
	if (s->last)
		s->last->next = c;
	else
		s->first = c;
	s->last = c;
	s->at = c->v;
	s->end = c->v + room;
}

void samples_collect(struct samples *s)
{
	size_t left = s->n, n;
	struct chunk *c;
	double *to;

	if (s->v || !s->n)
		return;
	s->v = allocate_raw(s->n, sizeof(*s->v));
	to = s->v;
	for (c = s->first; left; c = c->next) {
		n = left < c->room ? left : c->room;
		memcpy(to, c->v, n * sizeof(*to));
		to += n;
		left -= n;
	}
}

void samples_drop(struct samples *s)
{
	free(s->v);
	*s = (struct samples){ 0 };
}

static uint64_t hash_key(const char *key, size_t len)
{
	uint64_t h = 0xcbf29ce484222325u, word;

	for (; len >= sizeof(word); key += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, key, sizeof(word));
		h = (h ^ word) * 0x9e3779b97f4a7c15u;
		h ^= h >> 29;
	}
	word = 0;
	memcpy(&word, key, len);
	h = (h ^ word ^ (uint64_t)len << 56) * 0x9e3779b97f4a7c15u;
	return h ^ h >> 32;
}

static void insert(struct store *st, struct group *g)
{
	size_t i = g->hash & (st->table_size - 1);

	while (st->table[i])
		i = (i + 1) & (st->table_size - 1);
	st->table[i] = g;
}

static void grow_table(struct store *st)
{
	size_t i;

	free(st->table);
	st->table_size = st->table_size ? 2 * st->table_size : 64;
	st->table = allocate(st->table_size, sizeof(*st->table));
	for (i = 0; i < st->ngroups; i++)
		insert(st, st->groups[i]);
}

/* The place of a key in the table: its group, or the free place for it. */
static struct group **lookup(const struct store *st, const char *key, size_t len, uint64_t hash)
{
	struct group *g;
	size_t i;

	for (i = hash & (st->table_size - 1);; i = (i + 1) & (st->table_size - 1)) {
		g = st->table[i];
		if (!g || (g->hash == hash && g->key_len == len && !memcmp(g->key, key, len)))
			return &st->table[i];
	}
}

struct group *store_find(const struct store *st, const char *key, size_t len)
{
	return st->table_size ? *lookup(st, key, len, hash_key(key, len)) : NULL;
}

struct group *store_group(struct store *st, const char *key, size_t len)
{
	struct group *g = st->last, **place;
	uint64_t hash;

	/* Rows of one group mostly follow one another. */
	if (g && g->key_len == len && !memcmp(g->key, key, len))
		return g;
	if (2 * st->ngroups >= st->table_size)
		grow_table(st);
	hash = hash_key(key, len);
	place = lookup(st, key, len, hash);
	if (!*place) {
		g = allocate(1, sizeof(*g));
		g->key = duplicate(key, len);
		g->key_len = len;
		g->hash = hash;
		*place = g;
		if (st->ngroups == st->groups_room) {
			st->groups_room = st->groups_room ? 2 * st->groups_room : 16;
			st->groups = reallocate(st->groups, st->groups_room, sizeof(*st->groups));
		}
		st->groups[st->ngroups++] = g;
	}
	st->last = *place;
	return st->last;
}

struct samples *group_samples(struct group *g, int side, size_t column)
{
	size_t n = g->ncolumns[side];

	if (column >= n) {
		g->columns[side] = reallocate(g->columns[side], column + 1,
					      sizeof(struct samples));
		memset(g->columns[side] + n, 0, (column + 1 - n) * sizeof(struct samples));
		g->ncolumns[side] = column + 1;
	}
	return &g->columns[side][column];
}

struct samples *group_has(const struct group *g, int side, size_t column)
{
	struct samples *s;

	if (column >= g->ncolumns[side])
		return NULL;
	s = &g->columns[side][column];
	return s->n || s->missing ? s : NULL;
}

char *group_factor(const struct group *g, size_t factor)
{
	const char *p = g->key, *end = g->key + g->key_len, *stop;

	for (; p < end; p = stop + 1) {
		stop = memchr(p, SEPARATOR, (size_t)(end - p));
		if (!factor--)
			return duplicate(p, (size_t)(stop - p));
	}
	return duplicate("NA", 2);
}

void store_free(struct store *st)
{
	size_t i, j;
	int side;

	for (i = 0; i < st->ngroups; i++) {
		for (side = 0; side < SIDES; side++) {
			for (j = 0; j < st->groups[i]->ncolumns[side]; j++)
				free(st->groups[i]->columns[side][j].v);
			free(st->groups[i]->columns[side]);
		}
		free(st->groups[i]->key);
		free(st->groups[i]);
	}
	pool_free();
	free(st->groups);
	free(st->table);
	names_free(&st->factors);
	names_free(&st->measured);
}
