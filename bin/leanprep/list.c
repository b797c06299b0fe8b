// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* list.c - mitosis-leanprep list. */
#include <stdio.h>

#include "leanprep/prep.h"
#include "leanprep/verbs.h"
#include "tool.h"

static struct record_stream *out;

static int list_one(const char *name, void *data)
{
	struct lean_template *t;
	struct lean_view v;
	int running, count;
	char limits[32];

	if (!lean_name_is_good(name))
		return 0;
	t = template_exists(name) ? template_read(name) : NULL;
	running = !view_read(name, &v);
	record_begin(out);
	record_string(out, L_NAME, name);
	record_string(out, L_STATE, !t ? "incomplete" : running ? "ready" : "stopped");
	if (t) {
		record_string(out, L_ROOTFS, t->rootfs);
		if (t->memory)
			record_uint(out, L_MEMORY, t->memory);
		record_string(out, L_CPUS, t->cpus);
		if (t->pids)
			record_uint(out, L_PIDS, t->pids);
	}
	count = running ? count_containers(&v) : 0;
	if (count >= 0)
		record_uint(out, L_CONTAINERS, (uint64_t)count);
	if (running)
		record_string(out, L_LIMITS, format_limits(v.limits, limits));
	record_end(out);
	template_free(t);
	return 0;
}

int verb_list(const struct options *o, const char **arguments)
{
	int status = STATUS_FAILED;

	(void)arguments;
	/* Without the two columns of inspect, which are the last. */
	if (!record_open(&out, stdout, o->json ? RECORD_JSON : RECORD_AUTO, leanprep_columns, L_KEY,
			 NULL, o->argc, o->argv)) {
		record_header(out);
		status = entries_each(lean_state(), list_one, NULL);
	}
	return record_close(out) ? STATUS_FAILED : status;
}
