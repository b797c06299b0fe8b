// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * delegate.c - gets a cgroup for a template, with the controllers that its limits need.
 *
 * Where systemd runs, all groups are its own, but for what it delegates: it is asked for a scope
 * that lives as long as the keeper does. Elsewhere root makes a group below the top, and other
 * users below their own if they may. A user may also name a directory that was delegated to him.
 */
#include "prep.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "textfile.h"
#include "tool.h"

static const struct {
	unsigned int bit;
	const char *name;	/* as the user knows it */
	const char *controller;
} limits[] = {
	{ LEAN_MEMORY,
	  "memory", "memory" }, { LEAN_PIDS, "pids", "pids" }, { LEAN_CPUS, "cpus", "cpuset" },
};

static bool has_word(const char *text, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = text; (at = strstr(at, word)) != NULL; at += n)
		if ((at == text || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\n' || !at[n]))
			return true;
	return false;
}

/*
 * Does the group at the top of cgroup v2 have it? In a cgroup namespace that is a group like any
 * other.
 */
static bool top_has(const char *controller, bool *in_namespace)
{
	char root[PATH_MAX], path[PATH_MAX + 32], *text;
	bool has;

	*in_namespace = false;
	if (cgroup_root(root))
		return false;
	snprintf(path, sizeof(path), "%s/cgroup.events", root);
	*in_namespace = !access(path, F_OK);
	snprintf(path, sizeof(path), "%s/cgroup.controllers", root);
	text = read_text(path);
	has = text && has_word(text, controller);
	free(text);
	return has;
}

/*
 * Why a group lacks a controller. /proc/cgroups tells more of what cgroup v1 could have, and since
 * Linux 6.12 nothing of what a kernel has for cgroup v2 alone.
 */
static const char *why_not(const char *controller)
{
	static const char not_here[] = "it is not delegated to this place";
	const char *why;
	char *text, *at, *line;
	bool in_namespace;

	if (top_has(controller, &in_namespace))
		return not_here;
	why = in_namespace ? not_here : "this kernel has no such controller, "
					"or it is disabled on the kernel's command line";
	at = text = read_text("/proc/cgroups");
	while ((line = strsep(&at, "\n")) != NULL) {
		char name[32];
		int hierarchy, groups, enabled;

		if (sscanf(line, "%31s %d %d %d", name, &hierarchy, &groups, &enabled) != 4 ||
		    strcmp(name, controller))
			continue;
		if (!enabled)
			why = "the controller is disabled on the kernel's command line";
		else if (hierarchy)
			why = "the controller belongs to cgroup v1 on this host";
	}
	free(text);
	return why;
}

/*
 * Pass the controllers on from a group to those below it. Takes away from *possible what cannot be,
 * and tells why.
 */
static void pass_on(const struct lean_template *t, int fd, unsigned int *possible,
		    const char *reasons[3])
{
	char here[512] = "";
	int file = openat(fd, "cgroup.controllers", O_RDONLY | O_CLOEXEC);

	if (file >= 0) {
		ssize_t n = read(file, here, sizeof(here) - 1);

		here[n > 0 ? n : 0] = '\0';
		close(file);
	}
	for (size_t i = 0; i < 3; i++) {
		char text[32];
		int err;

		if (!(*possible & limits[i].bit))
			continue;
		if (!has_word(here, limits[i].controller)) {
			*possible &= ~limits[i].bit;
			reasons[i] = why_not(limits[i].controller);
			continue;
		}
		snprintf(text, sizeof(text), "+%s", limits[i].controller);
		err = textfile_write(fd, "cgroup.subtree_control", text);
		if (!err)
			continue;
		*possible &= ~limits[i].bit;
		reasons[i] = err == -EBUSY ? "processes are in the group above it" : strerror(-err);
	}
}

static int open_group(const char *path)
{
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* The group of a process, as a directory. */
static int group_of(pid_t pid, char path[PATH_MAX])
{
	char root[PATH_MAX], file[40], *text, *line;
	int err = cgroup_root(root);

	if (err)
		return err;
	snprintf(file, sizeof(file), "/proc/%d/cgroup", (int)pid);
	text = read_text(file);
	line = text ? strstr(text, "0::/") : NULL;
	err = line ? 0 : -ENOENT;
	if (line) {
		line[strcspn(line, "\n")] = '\0';
		snprintf(path, PATH_MAX, "%s%s", root, line + 3);
	}
	free(text);
	return err;
}

static bool systemd_runs(void)
{
	return !access("/run/systemd/system", F_OK);
}

/* A scope of systemd's with the keeper in it. */
static int ask_systemd(const struct lean_template *t, pid_t keeper, char path[PATH_MAX],
		       const char **why)
{
	char unit[128], pid[16], description[128], end[160];
	char *const call[] = {
		(char *)"busctl", (char *)(geteuid() ? "--user" : "--system"), (char *)"--quiet",
		(char *)"--timeout=15", (char *)"call",
		(char *)"org.freedesktop.systemd1", (char *)"/org/freedesktop/systemd1",
		(char *)"org.freedesktop.systemd1.Manager", (char *)"StartTransientUnit",
		(char *)"ssa(sv)a(sa(sv))", unit, (char *)"fail", (char *)"4",
		(char *)"Description", (char *)"s", description,
		(char *)"PIDs", (char *)"au", (char *)"1", pid,
		(char *)"Delegate", (char *)"b", (char *)"true",
		(char *)"CollectMode", (char *)"s", (char *)"inactive-or-failed", (char *)"0", NULL
	};
	uint64_t until = clock_now_ns() + 10000000000u;

	snprintf(unit, sizeof(unit), "mitosis-lean-%s-%d.scope", t->name, (int)keeper);
	snprintf(end, sizeof(end), "/%s", unit);
	snprintf(description, sizeof(description), "lean containers of template %s", t->name);
	snprintf(pid, sizeof(pid), "%d", (int)keeper);
	*why = "systemd gives no scope (busctl call StartTransientUnit)";
	if (run_tool(call, "package systemd"))
		return -1;
	/* The job runs by itself. */
	while (clock_now_ns() < until) {
		if (!group_of(keeper, path) && strlen(path) > strlen(end) &&
		    !strcmp(path + strlen(path) - strlen(end), end))
			return 0;
		poll(NULL, 0, 10);
	}
	return -1;
}

/* A group of our own making; above: the one that passes controllers on to its base. */
static int make_group(const struct lean_template *t, char path[PATH_MAX], unsigned int *possible,
		      const char *reasons[3], const char **why)
{
	char base[PATH_MAX], above[PATH_MAX];
	int err = group_base(t, base), fd;

	*why = NULL;
	if (err) {
		*why = "cgroup v2 is not mounted here";
		return -1;
	}
	if (!t->cgroup) {
		snprintf(above, sizeof(above), "%s", base);
		*strrchr(above, '/') = '\0';
		if (mkdir(base, 0755) && errno != EEXIST) {
			*why = geteuid() ? "no cgroup is delegated to this user "
				   "(a systemd user session gives one, or --cgroup)" :
				   strerror(errno);
			return -1;
		}
		fd = open_group(above);
		pass_on(t, fd, possible, reasons);
		close(fd);
	}
	fd = open_group(base);
	if (fd < 0) {
		*why = strerror(errno);
		return -1;
	}
	pass_on(t, fd, possible, reasons);
	close(fd);
	if (snprintf(path, PATH_MAX, "%s/%s", base, t->name) >= PATH_MAX ||
	    (mkdir(path, 0755) && errno != EEXIST)) {
		*why = strerror(errno);
		return -1;
	}
	return 0;
}

/*
 * The keeper in a group beside the containers', since only groups without processes pass
 * controllers on.
 */
static void move_keeper(int fd, pid_t keeper)
{
	char pid[16];
	int below;

	mkdirat(fd, "keeper", 0755);
	below = openat(fd, "keeper", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(pid, sizeof(pid), "%d", (int)keeper);
	/* Where it may not be moved it stays in its user's group, which does no harm. */
	if (below >= 0)
		textfile_write(below, "cgroup.procs", pid);
	close(below);
}

static int say(const struct lean_template *t, unsigned int wanted, unsigned int possible,
	       const char *const reasons[3])
{
	for (size_t i = 0; i < 3; i++) {
		if (!(wanted & ~possible & limits[i].bit))
			continue;
		if (t->require_limits)
			tool_error(t->name, "%s cannot be limited: %s", limits[i].name, reasons[i]);
		else
			tool_warn(t->name, "%s is not limited: %s", limits[i].name, reasons[i]);
	}
	return t->require_limits && wanted & ~possible ? STATUS_SKIP : 0;
}

int delegate(const struct lean_template *t, pid_t keeper, struct lean_view *v)
{
	unsigned int wanted = (t->memory ? LEAN_MEMORY : 0) | (t->pids ? LEAN_PIDS : 0) |
			      (t->cpus ? LEAN_CPUS : 0);
	unsigned int possible = wanted;
	const char *reasons[3] = { NULL }, *why = NULL;
	struct lean_leaf leaf;
	int fd, err;

	if (!t->cgroup && systemd_runs())
		err = ask_systemd(t, keeper, v->cgroup, &why);
	else
		err = make_group(t, v->cgroup, &possible, reasons, &why);
	if (err) {
		v->cgroup[0] = '\0';
		for (size_t i = 0; i < 3; i++)
			if (!reasons[i])
				reasons[i] = why;
		return say(t, wanted, 0, reasons);
	}
	fd = open_group(v->cgroup);
	if (fd < 0) {
		tool_error(v->cgroup, "%s", strerror(errno));
		return -1;
	}
	move_keeper(fd, keeper);
	pass_on(t, fd, &possible, reasons);
	err = say(t, wanted, possible, reasons);
	v->limits = possible;
	/* The first leaf: a list of processors that this host does not have is noticed now. */
	if (!err)
		err = leaf_take(fd, t, possible, &leaf);
	if (!err)
		leaf_give_back(&leaf);
	close(fd);
	return err;
}
