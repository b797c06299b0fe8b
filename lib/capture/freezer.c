// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* freezer.c - see freezer.h. */
#include "capture/freezer.h"

#include <stdio.h>
#include <string.h>

#define GROUPS_MAX	8192u
#define MOUNTS_MAX	(256u << 10)

/* The n-th word of a line, from 0; NULL: it has not so many. */
static const char *word(const char *line, int n)
{
	for (; n && line; n--) {
		line = strpbrk(line, " \n");
		line = line && *line == ' ' ? line + 1 : NULL;
	}
	return line;
}

static bool begins(const char *text, const char *with)
{
	return !strncmp(text, with, strlen(with));
}

/* A word, or what follows the one before in the same file, has this in it. */
static bool has(const char *from, size_t length, const char *what)
{
	const char *at = from ? strstr(from, what) : NULL;

	return at && at + strlen(what) <= from + length;
}

/*
 * Where the hierarchy of that kind is mounted: "ID PARENT DEVICE ROOT PLACE OPTIONS ... - TYPE
 * SOURCE OPTIONS". path: of a group; the file of that name in its directory goes to `to`.
 */
static bool find_file(const char *mounts, bool unified, const char *path, size_t length,
		      const char *name, char *to, size_t room)
{
	for (const char *line = mounts; line && *line; line = strchr(line, '\n'), line += !!line) {
		const char *type = strstr(line, " - "), *end = strchr(line, '\n');
		const char *root = word(line, 3), *place = word(line, 4);
		size_t n = root ? strcspn(root, " ") : 0;

		if (!place || !type || (end && type > end))
			continue;
		type += 3;
		if (unified ? !begins(type, "cgroup2 ")
			    : !begins(type, "cgroup ") ||
				      !has(type, end ? (size_t)(end - type) : strlen(type),
					   "freezer"))
			continue;
		/* What of the hierarchy is mounted there, in which the group is. */
		if (n == 1)
			n = 0;
		if (n > length || memcmp(path, root, n) || (n < length && path[n] != '/'))
			continue;
		return snprintf(to, room, "%.*s%.*s/%s", (int)strcspn(place, " "), place,
				(int)(length - n), path + n, name) < (int)room;
	}
	return false;
}

bool freezer_holds(int pid, struct workspace *memory, char *where, size_t room)
{
	char *groups = workspace_take(memory, GROUPS_MAX), path[40], text[256];
	char *mounts = workspace_take(memory, MOUNTS_MAX);

	snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	if (!groups || !mounts || proc_read(path, groups, GROUPS_MAX) <= 0 ||
	    proc_read("/proc/self/mountinfo", mounts, MOUNTS_MAX) <= 0)
		return false;
	/* "ID:CONTROLLERS:PATH" */
	for (const char *line = groups; line && *line; line = strchr(line, '\n'), line += !!line) {
		const char *kinds = strchr(line, ':'), *at = kinds ? strchr(kinds + 1, ':') : NULL;
		bool unified = at == kinds + 1, frozen;
		size_t length = at ? strcspn(at + 1, "\n") : 0;

		if (!at || (!unified && !has(kinds, (size_t)(at - kinds), "freezer")))
			continue;
		if (length == 1)
			length = 0;
		/* Also by a group above. */
		if (!find_file(mounts, unified, at + 1, length,
			       unified ? "cgroup.events" : "freezer.state", where, room) ||
		    proc_read(where, text, sizeof(text)) <= 0)
			continue;
		frozen = unified ? strstr(text, "frozen 1") != NULL : !begins(text, "THAWED");
		*strrchr(where, '/') = '\0';
		if (frozen)
			return true;
	}
	return false;
}
