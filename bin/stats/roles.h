/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * roles.h - what the user selects, and what a column is: measured, factor or sample index. That is
 * decided by name alone, once per header.
 */
#ifndef STATS_ROLES_H
#define STATS_ROLES_H

#include <stdbool.h>
#include <stddef.h>

#include "store.h"

enum role {
	ROLE_FACTOR,
	ROLE_MEASURED,
	ROLE_INDEX,	/* numbers the samples of a group: iter, seq */
	ROLE_NONE,	/* not asked for */
};

enum filter_op { OP_EQ, OP_NE, OP_LT, OP_LE, OP_GT, OP_GE };

struct filter_value {
	char *text;
	bool is_number;
	double number;
};

struct filter {
	char *column;
	enum filter_op op;
	struct filter_value *values;
	size_t nvalues;
	bool seen;	/* some file has that column */
};

struct selection {
	struct names columns;	/* --columns; empty: all that are measured */
	struct names by;	/* --by */
	bool by_given;
	struct filter *filters;
	size_t nfilters;
	struct names seen;	/* all columns of all files */
};

/* --where: "COL=A,B", "COL!=A", "COL<1M" ...: 0 or -EINVAL. */
int selection_add_filter(struct selection *sel, const char *text);
void selection_free(struct selection *sel);

enum role column_role(const struct selection *sel, const char *name);

#endif
