// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* inspect.c - mitosis-leanprep inspect. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "leanprep/prep.h"
#include "leanprep/verbs.h"
#include "tool.h"

static struct record_stream *out;

static void tell(const char *key, const char *value)
{
	record_begin(out);
	record_string(out, 0, key);
	record_string(out, 1, value);
	record_end(out);
}

static void tell_number(const char *key, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	tell(key, text);
}

int verb_inspect(const struct options *o, const char **arguments)
{
	const char *name = arguments[0];
	struct lean_template *t;
	struct lean_view v;
	char *text, *at, *line, path[PATH_MAX];
	int running, status = STATUS_FAILED;

	t = template_read(name);
	if (!t)
		return STATUS_FAILED;
	running = !view_read(name, &v);
	text = read_text(lean_state_path(path, name, "template"));
	if (text && !record_open(&out, stdout, o->json ? RECORD_JSON : RECORD_AUTO,
				 leanprep_columns + L_KEY, 2, NULL, o->argc, o->argv)) {
		tell("name", name);
		tell("state", running ? "ready" : "stopped");
		at = text;
		while ((line = strsep(&at, "\n")) != NULL) {
			char *value = strchr(line, '=');

			if (!value || *line == '#')
				continue;
			*value++ = '\0';
			tell(line, value);
		}
		if (running) {
			char limits[32];
			int count = count_containers(&v);

			tell_number("keeper_pid", (uint64_t)v.pid);
			tell("limits", format_limits(v.limits, limits));
			tell("group", v.cgroup[0] ? v.cgroup : "none");
			if (count >= 0)
				tell_number("containers", (uint64_t)count);
		}
		status = 0;
	}
	free(text);
	template_free(t);
	return record_close(out) ? STATUS_FAILED : status;
}
