// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * packages.c - which packages this host's distribution offers.
 *
 * A remedy that names a package which no repository has is none. apt's lists know, without the
 * network; so does dnf's cache, but where that is empty the names that every such distribution has
 * are believed in. All names that may ever be asked about are asked about at once: the answer takes
 * apt a moment.
 */
#include "packages.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "children.h"
#include "item.h"
#include "run.h"

static struct package {
	const char *name;	/* Debian's */
	const char *rpm;
	bool everywhere;	/* each distribution that has the tool at all has this */
	bool offered;
} packages[] = {
	{ "qemu-system-x86", "qemu-system-x86-core", true, false },
	{ "busybox-static", "busybox", true, false },
	{ "kmod", "kmod", true, false },
	{ "iproute2", "iproute", true, false },
	{ "zstd", "zstd", true, false },
	{ "criu", "criu", true, false },
	{ "linux-image-amd64", "kernel", true, false },
	{ "linux-image-generic", NULL, false, false },		/* the same in Ubuntu */
	{ "mitosis-dkms", "mitosis-dkms", false, false },
	/* the headers of the running kernel */
	{ NULL, NULL, false, false },
};

#define PACKAGES (sizeof(packages) / sizeof(packages[0]))

static enum { UNKNOWN, NONE, APT, DNF } manager;
static bool lists_are_empty;	/* apt has never fetched any */

static void name_headers(void)
{
	static char deb[128], rpm[128];
	struct utsname host;

	uname(&host);
	snprintf(deb, sizeof(deb), "linux-headers-%s", host.release);
	snprintf(rpm, sizeof(rpm), "kernel-devel-%s", host.release);
	packages[PACKAGES - 1].name = deb;
	packages[PACKAGES - 1].rpm = rpm;
}

/* Is a line of the text just this? */
static bool has_line(const char *text, const char *line)
{
	size_t n = strlen(line);

	for (; text && *text; text = strchr(text, '\n') ? strchr(text, '\n') + 1 : NULL)
		if (!strncmp(text, line, n) && (text[n] == '\n' || !text[n]))
			return true;
	return false;
}

static void ask_apt(char *path)
{
	char show[] = "show", no_all[] = "--no-all-versions", line[160], *text;
	char *argv[PACKAGES + 4] = { path, show, no_all };
	glob_t lists;
	int status;

	lists_are_empty = glob("/var/lib/apt/lists/*_Packages*", 0, NULL, &lists) != 0;
	globfree(&lists);
	for (size_t i = 0; i < PACKAGES; i++)
		argv[3 + i] = (char *)packages[i].name;
	text = run_program(argv, false, &status);
	for (size_t i = 0; i < PACKAGES; i++) {
		snprintf(line, sizeof(line), "Package: %s", packages[i].name);
		packages[i].offered = (text && has_line(text, line)) ||
				      (lists_are_empty && packages[i].everywhere);
	}
	free(text);
}

static void ask_dnf(char *path)
{
	char format[] = "--qf=%{name}\n%{name}-%{version}-%{release}.%{arch}\n";
	char quiet[] = "-q", cached[] = "-C", query[] = "repoquery";
	char *argv[PACKAGES + 6] = { path, quiet, cached, query, format }, *text;
	size_t n = 5;
	int status;

	for (size_t i = 0; i < PACKAGES; i++)
		if (packages[i].rpm)
			argv[n++] = (char *)packages[i].rpm;
	text = run_program(argv, false, &status);
	for (size_t i = 0; i < PACKAGES; i++)
		packages[i].offered = packages[i].rpm &&
				      (packages[i].everywhere ||
				       (text && has_line(text, packages[i].rpm)));
	free(text);
}

static void find_manager(void)
{
	char path[4096];

	if (manager != UNKNOWN)
		return;
	manager = NONE;
	name_headers();
	if (item_without_remedies)
		return;
	if (program_path("apt-cache", path, sizeof(path)) &&
	    program_path("apt-get", path, sizeof(path))) {
		manager = APT;
		program_path("apt-cache", path, sizeof(path));
		ask_apt(path);
	} else if (program_path("dnf", path, sizeof(path))) {
		manager = DNF;
		ask_dnf(path);
	}
}

static const struct package *find(const char *name)
{
	find_manager();
	for (size_t i = 0; i < PACKAGES; i++)
		if (!strcmp(packages[i].name, name))
			return &packages[i];
	return NULL;
}

bool package_is_offered(const char *name)
{
	const struct package *p = find(name);

	return p && p->offered;
}

static bool has_word(const char *text, const char *word)
{
	size_t n = strlen(word);
	const char *at = text;

	while ((at = strstr(at, word)) != NULL) {
		if ((at == text || at[-1] == ' ') && (at[n] == ' ' || !at[n]))
			return true;
		at += n;
	}
	return false;
}

static void add_word(char *text, size_t room, const char *word)
{
	size_t used = strlen(text);

	if (!has_word(text, word))
		snprintf(text + used, room - used, "%s%s", used ? " " : "", word);
}

void package_command(const char *const names[], size_t n, char *command, size_t room, char *left,
		     size_t left_room)
{
	char words[256] = "";

	*command = '\0';
	if (left)
		*left = '\0';
	for (size_t i = 0; i < n; i++) {
		const struct package *p = find(names[i]);

		if (!strcmp(names[i], "linux-image-amd64") && manager == APT && p && !p->offered)
			p = find("linux-image-generic");
		if (p && p->offered)
			add_word(words, sizeof(words), manager == DNF ? p->rpm : p->name);
		else if (left)
			add_word(left, left_room, names[i]);
	}
	if (!*words)
		return;
	if (manager == DNF)
		snprintf(command, room, "%sdnf install %s", item_sudo(), words);
	else if (lists_are_empty)
		snprintf(command, room, "%sapt-get update && %sapt-get install %s", item_sudo(),
			 item_sudo(), words);
	else
		snprintf(command, room, "%sapt-get install %s", item_sudo(), words);
}

const char *package_remedy(const char *name, char *command, size_t room)
{
	package_command(&name, 1, command, room, NULL, 0);
	return command;
}
