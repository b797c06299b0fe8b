// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* mount-dev.c - mitosis-leanprep mount-dev. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "leanprep/prep.h"
#include "leanprep/verbs.h"
#include "tool.h"

/*
 * The template's /dev is mounted read-only. In a copy of its mount namespace that is changed for
 * the copy alone; what is made there is in the one file system that both show.
 */
static int add_node(const struct lean_view *v, const struct lean_device *device)
{
	char path[64];
	int fd, status;
	pid_t pid;

	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)v->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	pid = fd < 0 ? -1 : fork();
	if (!pid) {
		if (setns(fd, CLONE_NEWNS) || unshare(CLONE_NEWNS) ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
		    mount(NULL, "/dev", NULL, MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NOEXEC, NULL)) {
			tool_error("/dev", "%s", strerror(errno));
			_exit(STATUS_FAILED);
		}
		_exit(device_add("/dev", device) ? STATUS_FAILED : 0);
	}
	if (fd >= 0)
		close(fd);
	if (pid < 0 || waitpid(pid, &status, 0) < 0) {
		tool_error(path, "%s", strerror(errno));
		return -1;
	}
	return status ? -1 : 0;
}

int verb_mount_dev(const struct options *o, const char **arguments)
{
	const char *name = arguments[0], *path = arguments[1];
	struct lean_template *t;
	struct lean_view v;
	struct stat st;
	char why[WHY_MAX] = "";
	int status = STATUS_FAILED, lock;
	bool there = false;

	(void)o;
	if (strncmp(path, "/dev/", 5) || strstr(path, "/../") || strchr(path, '\n'))
		return tool_usage_error(NULL, "%s: expected a device below /dev", path);
	if (stat(path, &st)) {
		tool_error(path, "%s", strerror(errno));
		return STATUS_FAILED;
	}
	if (S_ISBLK(st.st_mode)) {
		tool_error(path,
			   "a block device: whoever writes to it writes past every file system");
		return STATUS_FAILED;
	}
	if (!S_ISCHR(st.st_mode)) {
		tool_error(path, "not a device");
		return STATUS_FAILED;
	}
	/*
	 * Root's containers get the node at once; a user namespace makes none, so its view is built
	 * anew.
	 */
	lock = geteuid() ? lock_alone(name) : lean_use(name);
	if (lock < 0)
		return STATUS_FAILED;
	t = template_read(name);
	for (size_t i = 0; t && i < t->devices.count; i++)
		there |= !strcmp(t->devices.at[i], path);
	if (t) {
		if (!there)
			strings_add(&t->devices, path);
		status = there || !template_write(t) ? 0 : STATUS_FAILED;
	}
	if (!status && !there && !view_read(name, &v)) {
		const struct lean_device device = { path + strlen("/dev/"), st.st_rdev };

		if (!geteuid())
			status = add_node(&v, &device) ? STATUS_FAILED : 0;
		else
			status = template_stop(name, t, why) ? STATUS_FAILED : set_up(t);
		if (*why)
			tool_error(name, "%s", why);
	}
	template_free(t);
	lean_unlock(name, lock, false);
	return status;
}
