// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* options.c - the options of a tool with what each goes with: see options.h. */
#include "options.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define OPTIONS_MAX	96u

poptContext tool_options_context(int argc, char **argv, const struct tool_option *table,
				 unsigned int flags, const struct tool_info *info)
{
	static const struct poptOption common[] = { TOOL_COMMON_OPTIONS, POPT_TABLEEND };
	/* popt does not copy them; a tool has one context. */
	static struct poptOption options[OPTIONS_MAX];
	size_t n = 0;

	while (table[n].popt.longName)
		n++;
	assert(n + 2 <= OPTIONS_MAX);
	for (size_t i = 0; i < n; i++)
		options[i] = table[i].popt;
	memcpy(options + n, common, sizeof(common));
	return tool_context(argc, argv, options, flags, info);
}

static bool is_given(const struct poptOption *o)
{
	return o->argInfo == POPT_ARG_NONE ? *(int *)o->arg != 0 : *(char **)o->arg != NULL;
}

/* "one, two or three" */
static void join(char *text, size_t room, const char *const names[], unsigned int set)
{
	size_t n = 0;

	*text = '\0';
	for (unsigned int i = 0; set; i++, set >>= 1) {
		if (!(set & 1))
			continue;
		n += (size_t)snprintf(text + n, room - n, "%s%s",
				      !n ? "" : set == 1 ? " or " : ", ", names[i]);
		if (n >= room)
			return;
	}
}

int tool_options_check(const struct tool_option *table, const char *const names[],
		       unsigned int in_force)
{
	for (const struct tool_option *o = table; o->popt.longName; o++) {
		unsigned int against = o->without & in_force;
		char option[64], what[256];

		if (!is_given(&o->popt))
			continue;
		snprintf(option, sizeof(option), "--%s", o->popt.longName);
		if (against) {
			/* One is enough, and its reason may stand there. */
			join(what, sizeof(what), names, against & -against);
			return tool_usage_error(option, "does not go with %s", what);
		}
		if (o->with && !(o->with & in_force)) {
			join(what, sizeof(what), names, o->with);
			return tool_usage_error(option, "goes with %s only", what);
		}
	}
	return 0;
}
