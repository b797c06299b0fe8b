// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* child.c - children that are measured, of parents here and elsewhere: see exectime.h. */
#include <errno.h>
#include <string.h>

#include "exectime/exectime.h"
#include "measure/criu.h"
#include "measure/references.h"
#include "progress.h"
#include "tool.h"

/* To its end. place: what it was restored from, or NULL. */
static int hear_child(struct plan *p, const char *engine, uint64_t iter, struct child *c,
		      const struct criu_place *place)
{
	int err = 0, status;

	p->started_ns = c->started_ns;
	for (int i = 0; i < 2 && !err; i++)
		err = result_take(p, engine, iter, c->out);
	status = child_end(c, place, err <= 0);
	return err || status ? -1 : 0;
}

/* option: the engine for mitosis-child; NULL: what the reference says */
static int run_child(struct plan *p, const char *engine, const char *option, uint64_t iter,
		     const char *ref)
{
	struct child_command command;
	struct child c;

	child_command_make(&command, ref, option, p->mode, &p->child);
	if (child_start(&c, command.argv)) {
		tool_error(command.argv[0], "%s", strerror(errno));
		return -1;
	}
	return hear_child(p, engine, iter, &c, NULL);
}

/* Save the parent, and restore it as its own child. */
static int run_restored(struct plan *p, const struct life *life, const struct parent *parent,
			uint64_t iter)
{
	struct criu_place place;
	struct child c;
	uint64_t dump_ns;
	int err;

	if (criu_place_make(&place, p->images, NULL, life->work.wss))
		return -1;
	err = criu_dump(&place, parent->pid, false, &dump_ns);
	if (!err)
		err = criu_restore(&place, parent, &c);
	if (!err)
		err = hear_child(p, life->engine, iter, &c, &place);
	criu_place_remove(&place);
	return err;
}

int run_one(struct plan *p, const struct life *life, uint64_t iter)
{
	struct parent parent;
	char ref[MITOSIS_REF_MAX];
	int err;

	if (parent_start(&parent, live, life))
		return -1;
	err = parent_hear(p, life, &parent, iter, ref);
	if (err || !(p->phases[PHASE_CHILD] || p->phases[PHASE_CHILD2]))
		;
	else if (life->criu)
		err = run_restored(p, life, &parent, iter);
	else
		err = run_child(p, life->engine, NULL, iter, ref);
	parent_end(&parent);
	progress_update(++p->done);
	return err;
}

int run_references(struct plan *p, char *const *refs)
{
	const struct engines *e = &p->engines;
	uint64_t engines = engines_count(e), n = 0;
	int err = 0;

	while (refs[n])
		n++;
	progress_start("exectime", p->count * n * (engines ? engines : 1));
	for (; *refs && !err; refs++) {
		const char *own = reference_engine(*refs);

		for (uint64_t k = 0; k < p->count && !err; k++) {
			if (!engines && !(p->no_demand && !strcmp(own, "user")))
				err = run_child(p, own, NULL, k, *refs);
			if (e->user && !err)
				err = run_child(p, "user", "user", k, *refs);
			if (e->kernel && !err)
				err = run_child(p, "kernel", "kernel", k, *refs);
			p->done += engines ? engines : 1;
			progress_update(p->done);
		}
	}
	progress_finish();
	return err;
}
