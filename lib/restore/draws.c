// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * draws.c - libraries that make keys notice by the process number, or by a handler of fork(2), that
 * they run in a copy.
 *
 * A child that keeps its parent's number shows them nothing, so that it draws what its siblings
 * draw. A program that has functions to run in its children (mitosis_at_resume()) is trusted to see
 * to that; of others it is named.
 */
#include "restore/draws.h"

#include <stdio.h>
#include <string.h>

static const char *const libraries[] = { "libcrypto.so", "libgnutls.so", "libgcrypt.so",
					 "libsodium.so" };

void draws_lose(const struct descriptor *d, struct losses *losses)
{
	const struct descriptor_mapped *mapped = descriptor_at(d, d->mapped);
	char found[128] = "";

	if (d->process_flags & PROCESS_SEES_TO_CHILDREN)
		return;
	for (size_t i = 0; i < sizeof(libraries) / sizeof(libraries[0]); i++) {
		const size_t length = strlen(libraries[i]);
		bool has = false;

		for (uint32_t j = 0; j < d->mapped.count && !has; j++) {
			const char *path = descriptor_string(d, mapped[j].path),
				   *name = strrchr(path, '/');

			has = name && !strncmp(name + 1, libraries[i], length);
		}
		if (has)
			snprintf(found + strlen(found), sizeof(found) - strlen(found), "%s%s",
				 *found ? ", " : "", libraries[i]);
	}
	if (*found)
		losses_add(losses,
			   "with its parent's process number it may draw the same random numbers as other children "
			   "(%s, see mitosis-uniqueness(7))",
			   found);
}
