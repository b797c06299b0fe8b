// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* snapshot.c - everything that is asked for of one snapshot: see resume.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "measure/references.h"
#include "resume/resume.h"
#include "tool.h"

/*
 * The first child: what it touches is what the later ones fetch first. They find the file by our
 * descriptor of it, so that nothing is left when this tool is killed.
 */
static int record_working_set(const struct plan *p, struct group *g)
{
	const char *dir = getenv("TMPDIR");
	char *path = NULL;
	int status, fd;

	if (asprintf(&path, "%s/mitosis-resume.XXXXXX", dir && *dir ? dir : "/tmp") < 0) {
		tool_error(NULL, "%s", strerror(ENOMEM));
		return -1;
	}
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0) {
		tool_error(path, "%s", strerror(errno));
		free(path);
		return -1;
	}
	close(fd);
	g->file = path;
	status = run_recording(p, g);
	/* The child has put another file in its place. */
	g->record_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (g->record_fd < 0 && !status)
		tool_error(path, "%s", strerror(errno));
	unlink(path);
	free(path);
	snprintf(g->path, sizeof(g->path), "/proc/%d/fd/%d", (int)getpid(), g->record_fd);
	g->file = g->path;
	return status || g->record_fd < 0 ? -1 : 0;
}

/* Everything that is asked for of one snapshot. */
static int run_group(struct plan *p, struct group *g)
{
	bool demand = p->demand && (p->user_demand || strcmp(g->engine, "user"));
	int status = p->replay && demand ? record_working_set(p, g) : 0;

	for (size_t k = 0; k < p->parallel_count && !status; k++) {
		if (demand)
			status = run_children(p, g, "demand", p->parallel[k]);
		if (p->eager && !status)
			status = run_children(p, g, "eager", p->parallel[k]);
	}
	if (g->record_fd > 0)
		close(g->record_fd);
	return status;
}

int run_snapshot(struct plan *p, const char *engine, uint64_t wss)
{
	const struct life life = {
		.engine = engine, .listen = p->listen, .wss = wss, .touch = p->touch,
	};
	char ref[MITOSIS_REF_MAX];
	struct group g = { .engine = engine, .ref = ref };
	struct parent parent;
	int status;

	if (!p->eager && !p->user_demand && !strcmp(engine, "user"))
		return 0;
	if (life_start(&parent, &life, ref))
		return -1;
	status = run_group(p, &g);
	parent_end(&parent);
	return status;
}

int run_criu(struct plan *p, uint64_t wss)
{
	const struct life life = { .wss = wss, .touch = p->touch, .criu = true };
	struct criu_place place;
	char ref[MITOSIS_REF_MAX];
	struct parent parent;
	const struct group g = { .engine = "criu", .ref = ref, .place = &place, .parent = &parent };
	uint64_t dump_ns;
	int status;

	if (criu_place_make(&place, p->images, p->copy_to, wss))
		return -1;
	status = life_start(&parent, &life, ref);
	if (!status) {
		status = criu_dump(&place, parent.pid, false, &dump_ns);
		if (!status)
			status = run_children(p, &g, "eager", 1);
		parent_end(&parent);
	}
	criu_place_remove(&place);
	return status;
}

int run_reference(struct plan *p, const char *ref)
{
	const char *const engines[] = {
		p->engines.user ? "user" : NULL, p->engines.kernel ? "kernel" : NULL,
	};
	struct group g = { .engine = reference_engine(ref), .ref = ref };
	int status = 0;

	if (!p->engines.user && !p->engines.kernel)
		return run_group(p, &g);
	for (int i = 0; i < 2 && !status; i++) {
		if (!engines[i])
			continue;
		g = (struct group){ .engine = engines[i], .option = engines[i], .ref = ref };
		status = run_group(p, &g);
	}
	return status;
}
