/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * store.h - all samples in memory: 8 bytes for each sample of each measured column. What is worked
 * on is copied out of it, one or two sets of samples at a time.
 *
 * A group is one combination of factor values. Its key is the values in the order of the factor
 * table, each followed by SEPARATOR, and without the NA values at the end: so a factor that only a
 * later file has does not change the keys of groups that are already there.
 */
#ifndef STATS_STORE_H
#define STATS_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEPARATOR '\x1f'
#define SIDES 2		/* OLD and NEW of --compare; otherwise only side 0 is used */

struct chunk;

struct samples {
	double *at, *end;		/* where the next one goes, in the last chunk */
	struct chunk *first, *last;
	size_t n;
	uint64_t missing;
	double *v;			/* all n in one piece, once samples_collect() was called */
	bool sorted;
};

struct group {
	char *key;
	size_t key_len;
	uint64_t hash;
	struct samples *columns[SIDES];	/* by index of the measured column */
	size_t ncolumns[SIDES];
};

struct names {
	char **name;
	size_t n;
};

struct store {
	struct names factors;
	struct names measured;
	struct group **groups;		/* in order of appearance */
	size_t ngroups, groups_room;
	struct group **table;		/* open addressing, a power of two */
	size_t table_size;
	struct group *last;
};

/* Index of name; SIZE_MAX if it is not there. */
size_t names_find(const struct names *names, const char *name);
/* Likewise, appending it. Memory that runs out ends the program. */
size_t names_add(struct names *names, const char *name);
void names_free(struct names *names);

struct group *store_group(struct store *st, const char *key, size_t len);	/* creates */
struct group *store_find(const struct store *st, const char *key, size_t len);	/* or NULL */
struct samples *group_samples(struct group *g, int side, size_t column);	/* creates */
struct samples *group_has(const struct group *g, int side, size_t column);	/* or NULL */
void samples_grow(struct samples *s);
void samples_collect(struct samples *s);
void samples_drop(struct samples *s);		/* what samples_collect() made, and n */
void store_free(struct store *st);

static inline void samples_add(struct samples *s, double v)
{
	if (s->at == s->end)
		samples_grow(s);
	*s->at++ = v;
	s->n++;
}

/* The value of one factor, NA if the group has none. The caller frees it. */
char *group_factor(const struct group *g, size_t factor);

void *allocate(size_t n, size_t size);			/* zeroed */
void *allocate_raw(size_t n, size_t size);
void *reallocate(void *p, size_t n, size_t size);
char *duplicate(const char *s, size_t len);

#endif
