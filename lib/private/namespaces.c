// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* namespaces.c - see namespaces.h. */
#include "private/namespaces.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The number in a file below /proc/sys, or -1. */
static long setting(const char *path)
{
	FILE *f = fopen(path, "re");
	long value = -1;

	if (f && fscanf(f, "%ld", &value) != 1)
		value = -1;
	if (f)
		fclose(f);
	return value;
}

/*
 * The kernel says ENOSPC: no disk is full. Named is the kind of which there may be none, else the
 * first.
 */
static const char *limited(const char *kinds, char *to, size_t room, const char **knob)
{
	static char said[64];
	char kind[16], path[64], *at = said;
	long value = -1;
	int n = 0;

	*said = '\0';
	for (const char *p = kinds; sscanf(p, "%15s%n", kind, &n) == 1; p += n) {
		long max;

		snprintf(path, sizeof(path), "/proc/sys/user/max_%s_namespaces", kind);
		max = setting(path);
		if (*said && max)
			continue;
		snprintf(at, sizeof(said), "user.max_%s_namespaces", kind);
		value = max;
		if (!max)
			break;
	}
	if (value < 0)
		snprintf(to, room, "there may be no more of them (sysctl %s)", said);
	else
		snprintf(to, room, "there may be no more of them: sysctl %s is %ld", said, value);
	strcat(said, "=15000");
	*knob = said;
	return to;
}

const char *namespaces_problem(const char *kinds, int err, char *to, size_t room, const char **knob)
{
	const char *none;

	if (!knob)
		knob = &none;
	*knob = "";
	if (err == ENOSPC)
		return limited(kinds, to, room, knob);
	if (strstr(kinds, "user") && (err == EPERM || err == EACCES)) {
		/* Debian's and Ubuntu's kernels have these. */
		if (!setting("/proc/sys/kernel/unprivileged_userns_clone"))
			*knob = "kernel.unprivileged_userns_clone=1";
		else if (setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") > 0)
			*knob = "kernel.apparmor_restrict_unprivileged_userns=0";
		if (**knob)
			snprintf(to, room,
				 "%s: this host lets no unprivileged user have one (sysctl %.*s)",
				 strerror(err), (int)strcspn(*knob, "="), *knob);
		else
			snprintf(to, room,
				 "%s: this host lets %s have one (a chroot, or a filter of system calls)",
				 strerror(err), geteuid() ? "no unprivileged user" : "nobody");
		return to;
	}
	snprintf(to, room, "%s", strerror(err));
	return to;
}
