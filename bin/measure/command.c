// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* command.c - children that a tool measures: see command.h. */
#include "measure/command.h"

#include <assert.h>

#include "tool.h"

int child_options_check(const struct child_options *o, uint64_t *window)
{
	return o->window ? tool_arg_uint("--window", o->window, 0, 1024, window) : 0;
}

/* The reference stays the last one. */
static void insert(struct child_command *c, const char *word)
{
	assert(c->argc < (int)(sizeof(c->argv) / sizeof(c->argv[0])) - 1);
	c->argv[c->argc] = c->argv[c->argc - 1];
	c->argv[c->argc - 1] = (char *)word;
	c->argv[++c->argc] = NULL;
}

void child_command_make(struct child_command *c, const char *ref, const char *engine,
			const char *mode, const struct child_options *o)
{
	*c = (struct child_command){
		.argv = { (char *)sibling_path("mitosis-child"), (char *)ref },
		.argc = 2,
	};
	insert(c, "--quiet");
	insert(c, "--mode");
	insert(c, mode);
	if (engine) {
		insert(c, "--engine");
		insert(c, engine);
	}
	if (o->window) {
		insert(c, "--window");
		insert(c, o->window);
	}
	if (o->no_push)
		insert(c, "--no-push");
	if (o->private)
		insert(c, "--private");
	if (o->poll)
		insert(c, "--poll");
}

void child_command_add(struct child_command *c, const char *option, const char *file)
{
	insert(c, option);
	insert(c, file);
}

const char *child_speaker(const struct criu_place *place)
{
	return place ? "criu restore" : "mitosis-child";
}

int child_end(struct child *c, const struct criu_place *place, bool has_told)
{
	int status = child_finish(c);

	if (status && place)
		criu_restore_failed(place);
	else if (status)
		tool_error(child_speaker(place), "child ended with status %d", status);
	else if (!has_told)
		tool_error(child_speaker(place), "child ended without its results");
	return status || !has_told ? -1 : 0;
}
