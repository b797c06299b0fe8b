// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* create.c - mitosis-leanprep create. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "leanprep/prep.h"
#include "leanprep/verbs.h"
#include "tool.h"

static int refuse_other(const char *name, const char *old, const char *new)
{
	const char *there = NULL, *wanted = settings_difference(new, old, &there);

	if (!wanted)
		there = settings_difference(old, new, &wanted);
	if (there && wanted)
		tool_error(name, "exists with other settings (%.*s, not %.*s): "
			   "remove it first, or take another name",
			   (int)strcspn(there, "\n"), there, (int)strcspn(wanted, "\n"), wanted);
	else
		tool_error(name, "exists with%s %.*s: remove it first, or take another name",
			   there ? "" : "out", (int)strcspn(there ? there : wanted, "\n"),
			   there ? there : wanted);
	return STATUS_FAILED;
}

/* It is there already: the same one is set up if need be, another one is refused. */
static int create_again(const struct lean_template *new, const struct options *o)
{
	struct lean_template *t = template_read(new->name);
	int status = 0;

	if (!t)
		return STATUS_FAILED;
	if (o->rootfs) {
		char *wanted = template_settings(new), *there = template_settings(t);

		if (strcmp(wanted, there))
			status = refuse_other(new->name, there, wanted);
		free(wanted);
		free(there);
	}
	if (!status)
		status = set_up(t);
	template_free(t);
	return status;
}

/* A template that is locked exclusively; 0, or -1 after a message. */
static int discard(const char *name)
{
	char why[WHY_MAX];
	int err = template_destroy(name, why);

	if (err)
		tool_error(name, "%s", why);
	return err;
}

static int create_locked(struct lean_template *t, const struct options *o)
{
	char path[PATH_MAX];
	int status;

	if (template_exists(t->name))
		return create_again(t, o);
	/* What an earlier attempt left. */
	if (discard(t->name))
		return STATUS_FAILED;
	if (mkdir(lean_state_path(path, t->name, NULL), 0755)) {
		tool_error(path, "%s", strerror(errno));
		return STATUS_FAILED;
	}
	status = rootfs_make(t) || interrupted || template_write(t) ? STATUS_FAILED : set_up(t);
	if (status || interrupted)
		discard(t->name);
	return status;
}

/* Without --rootfs a template that is there is set up again: no other setting is taken. */
static int check_bare(const char *name, const struct options *o)
{
	bool there = template_exists(name);

	if (o->memory || o->cpus || o->pids || o->tmp || o->user || o->caps || o->network ||
	    o->hostname || o->cgroup || o->writable || o->require_limits)
		return tool_usage_error("--rootfs", there ?
					"missing: %s exists, other options go with --rootfs "
					"(to change them, remove it first)" :
					"missing: what is the root file system of %s made of?",
					name);
	if (!there)
		return tool_usage_error("--rootfs", "missing: there is no template %s yet", name);
	return 0;
}

static int create(struct lean_template *t, const struct options *o)
{
	int lock = lean_lock(t->name, LEAN_EXCLUSIVE), err = errno, status;

	if (lock < 0 && err == EWOULDBLOCK && template_exists(t->name)) {
		/* Containers run: it is set up, and need only be the same. */
		lock = lean_use(t->name);
		if (lock < 0)
			return STATUS_FAILED;
		status = create_again(t, o);
	} else if (lock < 0) {
		lock_failed(t->name, err);
		return STATUS_FAILED;
	} else {
		status = create_locked(t, o);
	}
	lean_unlock(t->name, lock, status && !template_exists(t->name));
	return status;
}

int verb_create(const struct options *o, const char **arguments)
{
	struct lean_template t = { 0 };
	int status;

	snprintf(t.name, sizeof(t.name), "%s", arguments[0]);
	status = o->rootfs ? settings_parse(o, &t) : check_bare(t.name, o);
	if (!status) {
		catch_signals();
		status = create(&t, o);
	}
	if (interrupted)
		status = 128 + interrupted;
	free(t.rootfs);
	free(t.root);
	free(t.cpus);
	free(t.cgroup);
	free(t.hostname);
	free(t.directory);
	strings_free(&t.env);
	strings_free(&t.args);
	return status;
}
