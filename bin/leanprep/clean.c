// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* clean.c - mitosis-leanprep clean. */
#include <stdio.h>

#include "leanprep/prep.h"
#include "leanprep/verbs.h"
#include "tool.h"

static bool quiet;

static void tell_removed(enum leftover what, const char *name, const char *why)
{
	if (why)
		tool_error(name, "%s", why);
	else if (!quiet)
		fprintf(stderr, "%s: %s: %s\n", tool_name, name,
			what == LEFT_TEMPLATE ? "removed" : "leftovers removed");
}

int verb_clean(const struct options *o, const char **arguments)
{
	const struct lean_clean c = { .all = o->all, .tell = tell_removed };

	(void)arguments;
	quiet = o->quiet;
	return lean_clean(&c);
}
