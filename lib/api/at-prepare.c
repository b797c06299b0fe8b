// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * at-prepare.c - mitosis_at_prepare(): what a program does before a snapshot of itself, such as
 * closing what no child shall have, and what it does after it to go on as before.
 *
 * Places are taken and filled as in at-resume.c, and for the same reason.
 */
#include "api/child.h"
#include "api/log.h"
#include "mitosis.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

static struct {
	void (*before)(void *data);
	void (*after)(void *data);
	void *data;
	atomic_bool is_there;
} registered[MITOSIS_AT_PREPARE_MAX];

static _Atomic unsigned int taken;

EXPORT int mitosis_at_prepare(void (*before)(void *data), void (*after)(void *data), void *data)
{
	unsigned int place = atomic_load(&taken);

	if (!before && !after)
		return -EINVAL;
	do {
		if (place == MITOSIS_AT_PREPARE_MAX)
			return -ENOMEM;
	} while (!atomic_compare_exchange_weak(&taken, &place, place + 1));
	registered[place].before = before;
	registered[place].after = after;
	registered[place].data = data;
	atomic_store(&registered[place].is_there, true);
	return 0;
}

uint64_t parent_before(void)
{
	uint64_t ran = 0;

	_Static_assert(MITOSIS_AT_PREPARE_MAX <= 64, "a bit for each");
	for (unsigned int i = atomic_load(&taken); i-- > 0;) {
		if (!atomic_load(&registered[i].is_there))
			continue;
		ran |= 1ULL << i;
		if (registered[i].before)
			registered[i].before(registered[i].data);
	}
	return ran;
}

void parent_after(uint64_t ran)
{
	for (unsigned int i = 0; i < MITOSIS_AT_PREPARE_MAX; i++)
		if (ran >> i & 1 && registered[i].after)
			registered[i].after(registered[i].data);
}
