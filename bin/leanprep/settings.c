// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* settings.c - what a template is to be like: options of create, and how two templates differ. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "leanprep/prep.h"
#include "leanprep/verbs.h"
#include "tool.h"

static int parse_user(const char *text, struct lean_template *t)
{
	char *end;
	unsigned long uid = strtoul(text, &end, 10), gid = uid;

	if (end == text || (*end && *end != ':'))
		return -1;
	if (*end) {
		const char *second = end + 1;

		gid = strtoul(second, &end, 10);
		if (end == second || *end)
			return -1;
	}
	if (uid > 4294967294u || gid > 4294967294u)
		return -1;
	t->uid = (uid_t)uid;
	t->gid = (gid_t)gid;
	return 0;
}

/* "0-3,7": whether this host has them is seen when it is set. */
static bool is_cpu_list(const char *text)
{
	for (;;) {
		unsigned long first, last;
		char *end;

		if (*text < '0' || *text > '9')
			return false;
		first = last = strtoul(text, &end, 10);
		if (*end == '-') {
			if (end[1] < '0' || end[1] > '9')
				return false;
			last = strtoul(end + 1, &end, 10);
		}
		if (last < first || (*end && *end != ','))
			return false;
		if (!*end)
			return true;
		text = end + 1;
	}
}

int settings_parse(const struct options *o, struct lean_template *t)
{
	int status;

	t->rootfs = strdup(o->rootfs);
	t->hostname = strdup(o->hostname ? o->hostname : t->name);
	t->tmp = 64 << 20;
	if (!strcmp(o->rootfs, "host") && !geteuid())
		t->uid = t->gid = 65534;
	status = rootfs_check(o->rootfs);
	if (status)
		return status;
	if ((o->memory && tool_arg_size("--memory", o->memory, &t->memory)) ||
	    (o->tmp && tool_arg_size("--tmp", o->tmp, &t->tmp)) ||
	    (o->pids && tool_arg_uint("--pids", o->pids, 1, 4194304, &t->pids)))
		return STATUS_USAGE;
	if (o->memory && t->memory < 65536)
		return tool_usage_error("--memory", "%s: too little for any program", o->memory);
	if (!t->tmp)
		return tool_usage_error("--tmp", "%s: a file system without room", o->tmp);
	if (o->cpus) {
		if (!is_cpu_list(o->cpus))
			return tool_usage_error("--cpus", "%s: expected a list such as 0-3,7",
						o->cpus);
		t->cpus = strdup(o->cpus);
	}
	if (o->user) {
		if (parse_user(o->user, t))
			return tool_usage_error("--user", "%s: expected UID or UID:GID, numbers",
						o->user);
		if (geteuid() && (t->uid || t->gid))
			return tool_usage_error("--user", "%s: without root, containers "
						"have one user only, 0", o->user);
	}
	if (o->caps && *o->caps && caps_parse(o->caps, &t->caps))
		return tool_usage_error("--caps", "%s: only chown, dac_override, fowner, fsetid, "
					"kill, net_bind_service, setgid and setuid may be kept",
					o->caps);
	if (t->caps && t->uid)
		return tool_usage_error("--caps", "goes with --user 0: "
					"another user has no capabilities");
	if (o->network && strcmp(o->network, "host") && strcmp(o->network, "none"))
		return tool_usage_error("--network", "%s: neither host nor none", o->network);
	t->no_network = o->network && !strcmp(o->network, "none");
	if (strlen(t->hostname) > 64 || strchr(t->hostname, '\n'))
		return tool_usage_error("--hostname", "longer than 64 bytes");
	if (o->cgroup) {
		if (*o->cgroup != '/')
			return tool_usage_error("--cgroup", "%s: the directory must begin with /",
						o->cgroup);
		if (!group_is_one(o->cgroup))
			return tool_usage_error("--cgroup", "%s: %s", o->cgroup, errno == ENOTTY ?
						"not a directory of cgroup v2" : strerror(errno));
		t->cgroup = strdup(o->cgroup);
	}
	t->writable = o->writable;
	t->require_limits = o->require_limits;
	if (strchr(o->rootfs, '\n'))
		return tool_usage_error("--rootfs", "a line break in it");
	return 0;
}

/* The line of a key in settings, without its end; NULL: there is none. */
static const char *setting(const char *settings, const char *line)
{
	size_t key = strcspn(line, "=") + 1;

	while (*settings && strncmp(settings, line, key)) {
		settings += strcspn(settings, "\n");
		settings += *settings == '\n';
	}
	return *settings ? settings : NULL;
}

const char *settings_difference(const char *settings, const char *others, const char **other)
{
	while (*settings) {
		size_t n = strcspn(settings, "\n");

		*other = setting(others, settings);
		if (!*other || strcspn(*other, "\n") != n || strncmp(*other, settings, n))
			return settings;
		settings += n + (settings[n] == '\n');
	}
	return NULL;
}
