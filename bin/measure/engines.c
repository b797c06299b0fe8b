// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* engines.c - what a measuring tool is asked to measure: see engines.h. */
#include "measure/engines.h"

#include <string.h>

#include "measure/criu.h"
#include "measure/measure.h"
#include "measure/references.h"

unsigned int engines_count(const struct engines *e)
{
	return 0u + e->user + e->kernel + e->local + e->criu + e->exec;
}

bool engines_left(struct engines *e)
{
	unsigned int asked = engines_count(e);

	if (e->kernel)
		e->kernel = measure_has_kernel(asked > 1);
	if (e->criu)
		e->criu = measure_has_criu();
	/* None may have been asked for: references say theirs. */
	return !asked || engines_count(e);
}

void engines_add(struct engines *e, char *const *refs)
{
	if (engines_count(e))
		return;
	for (; refs && *refs; refs++) {
		if (!strcmp(reference_engine(*refs), "kernel"))
			e->kernel = true;
		else
			e->user = true;
	}
}
