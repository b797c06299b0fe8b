// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* pause.c - mitosis-leanprep pause and unpause. */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "leanprep/verbs.h"
#include "tool.h"

/*
 * One container: 1 if it runs and was frozen or thawed, 0 if it does not run, which is an error if
 * it must; -1 after a message.
 */
static int freeze_leaf(const char *what, const char *group, const char *leaf, bool freeze,
		       bool must)
{
	char path[PATH_MAX];
	int fd, populated, err = 0;

	snprintf(path, sizeof(path), "%s/%s", group, leaf);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	populated = fd < 0 ? 0 : group_populated(fd);
	if (populated == 1)
		err = leaf_freeze(fd, freeze);
	if (fd >= 0)
		close(fd);
	if (err)
		tool_error(what, "container %s: %s", leaf + 1, strerror(-err));
	else if (populated != 1 && must)
		tool_error(what, "no such container runs");
	return err || (populated != 1 && must) ? -1 : populated == 1;
}

/* All that run. */
static int freeze_all(const char *name, const char *group, bool freezing)
{
	struct dirent **entries;
	int n = scandir(group, &entries, NULL, alphasort), touched = 0, status = 0;

	for (int i = 0; i < n; i++) {
		const char *entry = entries[i]->d_name;

		if (entry[0] == 'c' && entry[1] >= '0' && entry[1] <= '9') {
			int got = freeze_leaf(name, group, entry, freezing, false);

			if (got < 0)
				status = STATUS_FAILED;
			else
				touched += got;
		}
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
	if (!status && !touched)
		tool_warn(name, "no container runs");
	return status;
}

/* NAME or NAME/NUMBER */
static int freeze(const char *what, bool freezing)
{
	char name[LEAN_NAME_MAX + 16], leaf[32], *number;
	struct lean_view v;

	snprintf(name, sizeof(name), "%s", what);
	number = strchr(name, '/');
	if (number)
		*number++ = '\0';
	if (!lean_name_is_good(name) || !template_exists(name)) {
		tool_error(name, "no such template (mitosis-leanprep list shows them)");
		return STATUS_FAILED;
	}
	if (number && (!*number || number[strspn(number, "0123456789")]))
		return tool_usage_error(NULL, "%s: expected NAME or NAME/NUMBER", what);
	if (view_read(name, &v)) {
		tool_error(name, "not set up, so nothing of it runs");
		return STATUS_FAILED;
	}
	if (!v.cgroup[0]) {
		tool_error(name, "it has no cgroup here, so its containers cannot be paused");
		return STATUS_SKIP;
	}
	if (!number)
		return freeze_all(what, v.cgroup, freezing);
	snprintf(leaf, sizeof(leaf), "c%s", number);
	return freeze_leaf(what, v.cgroup, leaf, freezing, true) < 0 ? STATUS_FAILED : 0;
}

int verb_pause(const struct options *o, const char **arguments)
{
	(void)o;
	return freeze(arguments[0], true);
}

int verb_unpause(const struct options *o, const char **arguments)
{
	(void)o;
	return freeze(arguments[0], false);
}
