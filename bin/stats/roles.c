// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* roles.c - what a column is, by its name: measured, factor or sample index; and --where. */
#include "roles.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "number.h"
#include "units.h"

/* A name that ends in _UNIT is measured. The man page lists them. */
static const char *const unit_suffixes[] = {
	"ns", "us", "ms", "s", "bytes", "pages", "faults", "count", "per_s", "percent", "ratio",
};

/* These are measured by themselves. */
static const char *const measured_names[] = { "bytes", "pages", "faults" };

static const char *const index_names[] = { "iter", "seq" };

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static bool is_one_of(const char *name, const char *const *list, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (!strcmp(name, list[i]))
			return true;
	}
	return false;
}

static bool has_unit(const char *name)
{
	size_t len = strlen(name), i, n;

	if (is_one_of(name, measured_names, COUNT(measured_names)))
		return true;
	for (i = 0; i < COUNT(unit_suffixes); i++) {
		n = strlen(unit_suffixes[i]);
		if (len > n + 1 && name[len - n - 1] == '_' &&
		    !strcmp(name + len - n, unit_suffixes[i]))
			return true;
	}
	return false;
}

enum role column_role(const struct selection *sel, const char *name)
{
	if (names_find(&sel->by, name) != SIZE_MAX)
		return ROLE_FACTOR;
	if (names_find(&sel->columns, name) != SIZE_MAX)
		return ROLE_MEASURED;
	if (has_unit(name))
		return sel->columns.n ? ROLE_NONE : ROLE_MEASURED;
	if (is_one_of(name, index_names, COUNT(index_names)))
		return ROLE_INDEX;
	return sel->by_given ? ROLE_NONE : ROLE_FACTOR;
}

static bool ends_in(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && !strcmp(s + n - m, end);
}

/* A plain number, a size with its letter, or, for a column in ns, a duration with its unit. */
static void read_value(const char *column, struct filter_value *v)
{
	uint64_t u;

	v->is_number = number_parse(v->text, strlen(v->text), &v->number);
	if (v->is_number)
		return;
	if (ends_in(column, "_ns") ? !units_parse_duration(v->text, &u) :
				     !units_parse_size(v->text, &u)) {
		v->is_number = true;
		v->number = (double)u;
	}
}

int selection_add_filter(struct selection *sel, const char *text)
{
	struct filter f = { 0 };
	size_t name = strcspn(text, "=!<>"), len, i;
	const char *p = text + name;

	if (!name)
		return -EINVAL;
	if (!strncmp(p, "!=", 2) || !strncmp(p, "<=", 2) || !strncmp(p, ">=", 2)) {
		f.op = *p == '!' ? OP_NE : *p == '<' ? OP_LE : OP_GE;
		p += 2;
	} else if (*p == '=' || *p == '<' || *p == '>') {
		f.op = *p == '=' ? OP_EQ : *p == '<' ? OP_LT : OP_GT;
		p++;
	} else {
		return -EINVAL;
	}
	f.column = duplicate(text, name);
	for (;;) {
		len = strcspn(p, ",");
		f.values = reallocate(f.values, f.nvalues + 1, sizeof(*f.values));
		f.values[f.nvalues].text = duplicate(p, len);
		read_value(f.column, &f.values[f.nvalues++]);
		if (!p[len])
			break;
		p += len + 1;
	}
	sel->filters = reallocate(sel->filters, sel->nfilters + 1, sizeof(*sel->filters));
	sel->filters[sel->nfilters++] = f;
	if (f.op == OP_EQ || f.op == OP_NE)
		return 0;
	/* < and > compare with one number */
	for (i = 0; i < f.nvalues; i++) {
		if (f.nvalues > 1 || !f.values[i].is_number)
			return -EINVAL;
	}
	return 0;
}

void selection_free(struct selection *sel)
{
	size_t i, j;

	for (i = 0; i < sel->nfilters; i++) {
		for (j = 0; j < sel->filters[i].nvalues; j++)
			free(sel->filters[i].values[j].text);
		free(sel->filters[i].values);
		free(sel->filters[i].column);
	}
	free(sel->filters);
	names_free(&sel->columns);
	names_free(&sel->by);
	names_free(&sel->seen);
}
