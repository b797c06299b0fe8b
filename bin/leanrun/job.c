// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* job.c - from what the user asked for to a program inside the template. */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "namespaces.h"
#include "tool.h"

#define DEFAULT_PATH	"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* A later "NAME=" replaces an earlier one. */
static void set_env(struct lean_strings *env, const char *text)
{
	size_t n = strcspn(text, "=") + 1;

	for (size_t i = 0; i < env->count; i++) {
		if (strncmp(env->at[i], text, n))
			continue;
		free(env->at[i]);
		env->at[i] = strdup(text);
		return;
	}
	strings_add(env, text);
}

static void make_env(struct job *j)
{
	const char *term = getenv("TERM");
	char *text;

	set_env(&j->envp, "PATH=" DEFAULT_PATH);
	set_env(&j->envp, "HOME=/");
	if (term && isatty(0) && asprintf(&text, "TERM=%s", term) > 0) {
		set_env(&j->envp, text);
		free(text);
	}
	for (size_t i = 0; i < j->spawner.t->env.count; i++)
		set_env(&j->envp, j->spawner.t->env.at[i]);
	for (size_t i = 0; i < j->env.count; i++)
		set_env(&j->envp, j->env.at[i]);
}

/*
 * There is no such file in the containers. Of a template made of a closure the message says how to
 * add it.
 */
static int not_found(const struct job *j, const char *name)
{
	const struct lean_template *t = j->spawner.t;

	if (strncmp(t->rootfs, "closure:", 8))
		tool_error(name, "no such command in the containers of %s", j->name);
	else
		tool_error(name,
			   "not in the closure that the containers of %s have as their root: make it anew with it "
			   "(mitosis-leanprep rm %s; mitosis-leanprep create %s --rootfs %s,%s, with its other options)",
			   j->name, j->name, j->name, t->rootfs, name);
	return STATUS_NOT_FOUND;
}

/* As execvp(3) would look for it, in the container's environment. */
static int find_program(struct job *j, const char *name)
{
	const char *path = DEFAULT_PATH;
	char *copy, *at, *dir;
	bool seen = false;
	struct stat st;

	if (strchr(name, '/')) {
		snprintf(j->path, sizeof(j->path), "%s%s%s", *name == '/' ? "" : j->directory,
			 *name == '/' ? "" : "/", name);
		if (!access(j->path, X_OK))
			return 0;
		if (errno == ENOENT || errno == ENOTDIR)
			return not_found(j, name);
		tool_error(name, "%s", strerror(errno));
		return STATUS_CANNOT_EXEC;
	}
	for (size_t i = 0; i < j->envp.count; i++)
		if (!strncmp(j->envp.at[i], "PATH=", 5))
			path = j->envp.at[i] + 5;
	copy = strdup(path);
	at = copy;
	while ((dir = strsep(&at, ":")) != NULL) {
		snprintf(j->path, sizeof(j->path), "%s/%s", dir, name);
		if (*dir != '/' || stat(j->path, &st) || !S_ISREG(st.st_mode))
			continue;
		seen = true;
		if (!access(j->path, X_OK))
			break;
	}
	free(copy);
	if (dir)
		return 0;
	if (!seen)
		return not_found(j, name);
	tool_error(name, "permission denied");
	return STATUS_CANNOT_EXEC;
}

/* The devices by which memory of a snapshot's children arrives, where this host has them. */
static size_t child_devices(struct lean_device devices[2])
{
	static const char *const names[] = { "mitosis", "userfaultfd" };
	size_t n = 0;

	for (int i = 0; i < 2; i++) {
		char path[64];
		struct stat st;

		snprintf(path, sizeof(path), "/dev/%s", names[i]);
		if (!stat(path, &st) && S_ISCHR(st.st_mode))
			devices[n++] = (struct lean_device){ names[i], st.st_rdev };
	}
	return n;
}

int job_enter(struct job *j, bool quiet, bool report)
{
	struct lean_device devices[2 + 64];
	size_t count = 0;
	const struct lean_template *t = j->spawner.t;
	char **words;

	if (j->child && !geteuid()) {
		count = child_devices(devices);
		/* The template's own stay. */
		for (size_t i = 0; count && i < t->devices.count && count < 64; i++) {
			struct stat st;

			if (stat(t->devices.at[i], &st) ||
			    !strcmp(t->devices.at[i], "/dev/mitosis") ||
			    !strcmp(t->devices.at[i], "/dev/userfaultfd"))
				continue;
			devices[count++] = (struct lean_device){ t->devices.at[i] + strlen("/dev/"),
								 st.st_rdev };
		}
	}
	j->host_proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	make_env(j);
	if (!j->directory)
		j->directory = t->directory ? t->directory : "/";
	if (j->child) {
		strings_add(&j->argv, "mitosis-child");
		if (quiet)
			strings_add(&j->argv, "--quiet");
		if (report) {
			strings_add(&j->argv, "--notify");
			strings_add(&j->argv, "3");
		}
		if (j->addresses) {
			strings_add(&j->argv, "--address");
			strings_add(&j->argv, j->addresses);
		}
	}
	words = j->command;
	if (!words && !j->child && !j->bare)
		words = t->args.at;
	for (char **c = words; c && *c; c++)
		strings_add(&j->argv, *c);
	if (j->child)
		strings_add(&j->argv, j->child);
	if (!j->argv.count && !j->bare) {
		tool_error(j->name, "no command given, and its image names none");
		return STATUS_USAGE;
	}
	if (spawner_enter(&j->spawner, devices, count))
		return STATUS_CANNOT_RUN;
	if (j->bare)
		return 0;
	if (!j->child)
		return find_program(j, j->argv.at[0]);
	strcpy(j->path, LEAN_CHILD);
	if (!access(j->path, X_OK))
		return 0;
	tool_error(j->name, "mitosis-child was not found when the template was made");
	return STATUS_CANNOT_RUN;
}

void job_spawn(const struct job *j, struct lean_spawn *s, const struct lean_leaf *leaf)
{
	*s = (struct lean_spawn){
		.inside = &j->spawner.inside, .cgroup = leaf->fd, .stdio = { 0, 1, 2 }, .extra = -1,
		.path = j->path, .directory = j->directory, .argv = j->argv.at, .envp = j->envp.at,
	};
}

int job_failed(const struct job *j, const struct lean_spawn *s, long err)
{
	if (!s->failed && err == -ENOSPC) {
		char why[256];

		tool_error(j->name, "a container cannot be started: namespaces: %s",
			   namespaces_problem("pid mnt uts ipc cgroup net", ENOSPC, why,
					      sizeof(why), NULL));
		return STATUS_CANNOT_RUN;
	}
	if (!s->failed) {
		tool_error(j->name, "a container cannot be started: %s%s", strerror((int)-err),
			   err == -EACCES
				   ? " (its cgroup may not be entered from this process's: "
				     "run it below the same delegated one, by systemd-run --user --scope)"
				   : "");
		return STATUS_CANNOT_RUN;
	}
	if (s->failed == s->path) {
		tool_error(j->argv.at[0], "%s", strerror(s->error));
		return s->error == ENOENT ? STATUS_NOT_FOUND : STATUS_CANNOT_EXEC;
	}
	tool_error(j->name, "%s: %s", s->failed, strerror(s->error));
	return STATUS_CANNOT_RUN;
}
