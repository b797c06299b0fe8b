// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* show.c - what list and inspect show of a template: see verbs.h. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "leanprep/prep.h"
#include "leanprep/verbs.h"

const struct record_column leanprep_columns[L_COLUMNS] = {
	[L_NAME]       = { "name", RECORD_STRING, "the template" },
	[L_ROOTFS]     = { "rootfs", RECORD_STRING, "what its root file system was made of" },
	[L_STATE]      = { "state", RECORD_STRING,
		  "ready, stopped (create sets it up again) or incomplete (rm and clean remove it)",
		  },
	[L_CONTAINERS] = { "containers", RECORD_UINT, "that run now" },
	[L_MEMORY]     = { "memory_bytes", RECORD_SIZE, "limit of each container" },
	[L_CPUS]       = { "cpus", RECORD_STRING, "processors that containers may use" },
	[L_PIDS]       = { "pids", RECORD_UINT,
		  "limit of processes and threads of each container" },
	[L_LIMITS]     = { "limits", RECORD_STRING,
		  "those of the limits that are in force on this host" },
	[L_KEY]        = { "key", RECORD_STRING, "inspect: what the line tells of the template" },
	[L_VALUE]      = { "value", RECORD_STRING, "inspect: its value" },
};

static bool is_leaf(const struct dirent *entry)
{
	return entry->d_type == DT_DIR && entry->d_name[0] == 'c' &&
	       strncmp(entry->d_name, "cgroup.", 7);
}

/* They are the leaves with processes. */
int count_containers(const struct lean_view *v)
{
	struct dirent **entries;
	int n, count = 0;

	if (!v->cgroup[0])
		return -1;
	n = scandir(v->cgroup, &entries, NULL, NULL);
	for (int i = 0; i < n; i++) {
		char path[PATH_MAX + 256];

		snprintf(path, sizeof(path), "%s/%s", v->cgroup, entries[i]->d_name);
		if (is_leaf(entries[i])) {
			int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

			count += fd >= 0 && group_populated(fd) == 1;
			if (fd >= 0)
				close(fd);
		}
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
	return count;
}

const char *format_limits(unsigned int limits, char text[32])
{
	snprintf(text, 32, "%s%s%s", limits & LEAN_MEMORY ? "memory," : "",
		 limits & LEAN_PIDS ? "pids," : "", limits & LEAN_CPUS ? "cpus," : "");
	if (!*text)
		return "none";
	text[strlen(text) - 1] = '\0';
	return text;
}
