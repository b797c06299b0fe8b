// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* state.c - the order in which the kinds of state are read and checked. */
#include "state/state.h"

#ifdef IN_SHADOW

#include "shadow/snapshot.h"

static void place_tables(struct snapshot *s)
{
	struct descriptor *d = &s->header;

	d->length = sizeof(*d);
#define TABLE(name, type, max) \
	d->name = (struct descriptor_table){ (uint32_t)d->length, s->n.name }; \
	d->length = (d->length + s->n.name * sizeof(type) + 7) & ~7ULL;
	DESCRIPTOR_TABLES(TABLE)
#undef TABLE
}

/*
 * Everything here happens after the parent has gone on: an early child waits in the listen backlog.
 */
const char *state_read(struct snapshot *s)
{
	struct descriptor *d = &s->header;
	const char *why, *also;

	*d = (struct descriptor){
		.magic = DESCRIPTOR_MAGIC, .major = DESCRIPTOR_MAJOR, .minor = DESCRIPTOR_MINOR,
		.child_state = s->args.child_state,
	};
	if (!s->n.strings)
		s->n.strings = 1;	/* offset 0 is "" */
	why = copied_read(s);
	if (!why)
		why = nameless_serve(s);
	also = files_read(s);		/* in any case: it closes what was inherited */
	if (!why)
		why = also;
	if (!why)
		why = threads_read(s);
	if (!why)
		why = signals_read(s);
	if (!why)
		why = limits_read(s);
	timers_read(s);
	clocks_read(s);
	if (!why)
		why = credentials_read(s);
	if (!why)
		why = places_read(s);
	if (!why)
		why = scheduling_read(s);
	if (!why)
		why = process_read(s);
	if (!why)
		why = layout_read(s);
	if (!why)
		why = areas_read(s);
	if (!why)
		settings_read(s);
	if (!why)
		inside_read(s);
	if (!why)
		why = host_read(s);
	if (!why)
		why = pages_read(s);
	if (!why)
		why = pages_choose_hot(s);
	if (!why)
		why = pages_open(s);
	place_tables(s);
	if (!why && d->length > DESCRIPTOR_MAX)
		why = "its description is too long";
	return why;
}

#endif
#ifdef IN_LIBRARY

#include <errno.h>
#include <stddef.h>

int state_check(const void *data, uint64_t length, const char **why)
{
	static const char *(*const checks[])(const struct descriptor *d) = {
		host_well_formed,     clocks_check, process_check, credentials_check, places_check,
		limits_check,	      layout_check, threads_check, signals_check,     timers_check,
		nameless_well_formed, areas_check,  inside_check,  files_check,	   pages_check,
	};

	if (descriptor_check(data, length, why))
		return -EPROTO;
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		*why = checks[i](data);
		if (*why)
			return -EPROTO;
	}
	return 0;
}

#endif
