// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * engine.c - which engines there are. A new one has a file beside this one, and its place in the
 * list.
 */
#include "api/log.h"
#include "engine/engine.h"

#include <errno.h>
#include <string.h>

/* In the order of preference; the last is always available. */
static const struct engine *const engines[] = { &engine_kernel, &engine_user };

const struct engine *engine_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(engines); i++)
		if (!strcmp(engines[i]->name, name))
			return engines[i];
	return NULL;
}

const struct engine *engine_default(void)
{
	size_t i = 0;

	while (i < ARRAY_SIZE(engines) - 1 && !engines[i]->is_available())
		i++;
	return engines[i];
}

const struct engine *engine_of(const struct reference *ref)
{
	for (size_t i = 0; i < ARRAY_SIZE(engines); i++)
		if (engines[i]->scheme == ref->scheme)
			return engines[i];
	return NULL;
}

EXPORT int mitosis_engine_check(const char *name)
{
	const struct engine *engine = name ? engine_find(name) : &engine_user;

	if (!engine) {
		log_error("%s: no such engine", name);
		return -ENOTSUP;
	}
	return engine->check();
}
