// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * remove.c - ends templates, and finds what is left of them.
 *
 * A template may have left something in each of four places: STATE/NAME, RUN/NAME, RUN/NAME.lock
 * and its cgroup. Each place is gone through; what a name has left anywhere is removed with its
 * first mention.
 */
#include "prep.h"

#include <dirent.h>
#include <errno.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "status.h"
#include "tool.h"

static int failed(char why[WHY_MAX], const char *path, int err)
{
	snprintf(why, WHY_MAX, "%.400s cannot be removed: %s", path, strerror(-err));
	return -1;
}

bool group_is_one(const char *path)
{
	struct statfs st;

	if (statfs(path, &st))
		return false;
	errno = ENOTTY;
	return st.f_type == CGROUP2_SUPER_MAGIC;
}

int template_stop(const char *name, const struct lean_template *t, char why[WHY_MAX])
{
	char path[PATH_MAX];
	struct lean_view v;
	int err = view_read(name, &v);

	if (!err)
		keeper_kill(v.pid, v.started);
	if (v.cgroup[0]) {
		err = group_remove(v.cgroup);
		/* Where there is no group, or something else, there are no processes to end. */
		if (err && group_is_one(v.cgroup))
			return failed(why, v.cgroup, err);
	} else if (!group_base(t, path)) {
		/* A crash may have come after the group was made, and before it was noted down. */
		snprintf(path + strlen(path), sizeof(path) - strlen(path), "/%s", name);
		group_remove(path);
	}
	err = remove_tree(lean_run_path(path, name, NULL));
	return err ? failed(why, path, err) : 0;
}

/* The description first, so that what a crash leaves is known as a leftover. */
int template_destroy(const char *name, char why[WHY_MAX])
{
	char path[PATH_MAX];
	int err;

	unlink(lean_state_path(path, name, "template"));
	if (template_stop(name, NULL, why))
		return -1;
	err = remove_tree(lean_state_path(path, name, NULL));
	return err ? failed(why, path, err) : 0;
}

int entries_each(const char *path, int (*fn)(const char *name, void *data), void *data)
{
	struct dirent **entries;
	int n = scandir(path, &entries, NULL, alphasort), status = 0;

	for (int i = 0; i < n; i++) {
		if (entries[i]->d_name[0] != '.' && fn(entries[i]->d_name, data))
			status = STATUS_FAILED;
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
	return status;
}

/* ---- clean ---- */

struct cleaning {
	const struct lean_clean *c;
	struct lean_strings seen;	/* names told already, when nothing is removed */
};

static bool seen(struct cleaning *k, const char *name)
{
	for (size_t i = 0; i < k->seen.count; i++)
		if (!strcmp(k->seen.at[i], name))
			return true;
	strings_add(&k->seen, name);
	return false;
}

static int clean_entry(const char *name, void *data)
{
	struct cleaning *k = data;
	bool whole = template_exists(name);
	enum leftover what = whole ? LEFT_TEMPLATE : LEFT_PARTS;
	char why[WHY_MAX];
	int lock, err;

	if (!lean_name_is_good(name) || (whole && !k->c->all))
		return 0;
	if (k->c->look) {
		if (!seen(k, name))
			k->c->tell(what, name, NULL);
		return 0;
	}
	lock = lean_lock(name, LEAN_EXCLUSIVE);
	if (lock < 0 && errno == EWOULDBLOCK) {
		/* Being made at this moment, or used. */
		if (whole && !seen(k, name))
			k->c->tell(what, name, "in use, not removed");
		return whole;
	}
	if (lock < 0) {
		k->c->tell(what, name, strerror(errno));
		return -1;
	}
	err = template_destroy(name, why);
	lean_unlock(name, lock, !err);
	k->c->tell(what, name, err ? why : NULL);
	return err;
}

/* RUN also has the locks: one whose template is gone is a leftover by itself. */
static int clean_lock(const char *name, void *data)
{
	char *copy = strdup(name), *dot = strrchr(copy, '.');
	int status = 0;

	if (dot && !strcmp(dot, ".lock")) {
		*dot = '\0';
		if (lean_name_is_good(copy) && !template_exists(copy))
			status = clean_entry(copy, data);
	}
	free(copy);
	return status;
}

static int clean_group(const char *name, void *data)
{
	char path[PATH_MAX];

	if (!lean_name_is_good(name) || template_exists(name) || group_base(NULL, path))
		return 0;
	snprintf(path + strlen(path), sizeof(path) - strlen(path), "/%s", name);
	return access(path, F_OK) ? 0 : clean_entry(name, data);
}

int lean_clean(const struct lean_clean *c)
{
	struct cleaning k = { .c = c };
	char base[PATH_MAX];
	int status = entries_each(lean_state(), clean_entry, &k);

	status |= entries_each(lean_run(), clean_entry, &k);
	status |= entries_each(lean_run(), clean_lock, &k);
	if (!group_base(NULL, base)) {
		status |= entries_each(base, clean_group, &k);
		/* Fails while one is left in it. */
		if (!c->look)
			rmdir(base);
	}
	strings_free(&k.seen);
	return status;
}
