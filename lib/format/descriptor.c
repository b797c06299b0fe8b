// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * descriptor.c - checks the format of a descriptor that came over the wire: header, tables and
 * strings.
 */
#include "format/descriptor.h"

#include <errno.h>
#include <stdbool.h>

static bool table_fits(const struct descriptor *d, struct descriptor_table t, uint64_t entry)
{
	return t.offset % 8 == 0 && t.offset >= sizeof(*d) && t.offset <= d->length &&
	       t.count <= (d->length - t.offset) / entry;
}

static const char *check(const struct descriptor *d, uint64_t length)
{
	if (length < sizeof(*d) || d->magic != DESCRIPTOR_MAGIC)
		return "not a descriptor";
	if (d->major != DESCRIPTOR_MAJOR)
		return "another version of the descriptor format";
	if (d->arch != ARCH_TAG)
		return "of another processor architecture, not " ARCH_NAME;
	if (d->length != length)
		return "wrong length";
#define TABLE(name, type, max) \
	if (!table_fits(d, d->name, sizeof(type))) \
		return "a table does not fit";
	DESCRIPTOR_TABLES(TABLE)
#undef TABLE
	if (!d->strings.count || ((const char *)descriptor_at(d, d->strings))[d->strings.count - 1])
		return "strings are not terminated";
	return NULL;
}

int descriptor_check(const void *data, uint64_t length, const char **why)
{
	*why = check(data, length);
	return *why ? -EPROTO : 0;
}
