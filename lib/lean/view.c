// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * view.c - what is known of a template's running half: the process that keeps its mount namespace.
 *
 * A namespace could also be kept by a bind mount of its /proc file, but that would be a mount on
 * the host. A pid may have passed to another process: start time and inode of the namespace tell.
 */
#include "lean.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"

uint64_t process_started(pid_t pid)
{
	char path[40], *text, *at;
	uint64_t started = 0;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	text = read_text(path);
	if (!text)
		return 0;
	/* The 22nd field; the second may contain anything, and ends with the last parenthesis. */
	at = strrchr(text, ')');
	if (at && at[1] && at[2] != 'Z' && at[2] != 'X')
		for (int field = 2; at && field < 22; field++)
			at = strchr(at + 1, ' ');
	else
		at = NULL;
	if (at)
		started = strtoull(at, NULL, 10);
	free(text);
	return started;
}

int view_read(const char *name, struct lean_view *v)
{
	char path[PATH_MAX], *text = read_text(lean_run_path(path, name, "view"));
	int pid = 0;

	*v = (struct lean_view){ 0 };
	if (!text)
		return errno == ENOENT || errno == ENOTDIR ? -ENOENT : -errno;
	sscanf(text,
	       "pid=%d\nstarted=%" SCNu64 "\nmount_ns=%" SCNu64 "\nuser_ns=%" SCNu64
	       "\nlimits=%u\ncgroup=%4095[^\n]",
	       &pid, &v->started, &v->mount_ns, &v->user_ns, &v->limits, v->cgroup);
	v->pid = pid;
	free(text);
	return pid > 0 && process_started(pid) == v->started ? 0 : -ESRCH;
}

int view_write(const char *name, const struct lean_view *v)
{
	char path[PATH_MAX], *text;
	int err;

	if (asprintf(&text,
		     "pid=%d\nstarted=%" PRIu64 "\nmount_ns=%" PRIu64 "\nuser_ns=%" PRIu64
		     "\nlimits=%u\ncgroup=%s\n",
		     (int)v->pid, v->started, v->mount_ns, v->user_ns, v->limits, v->cgroup) < 0)
		return -ENOMEM;
	err = write_text(lean_run_path(path, name, "view"), text, 0644);
	free(text);
	return err;
}

void keeper_kill(pid_t pid, uint64_t started)
{
	uint64_t until = clock_now_ns() + 10000000000u;

	if (pid <= 0 || !started || process_started(pid) != started)
		return;
	kill(pid, SIGKILL);
	/* It may be our child, or have been adopted by another process that reaps it. */
	while (process_started(pid) == started && clock_now_ns() < until) {
		waitpid(pid, NULL, WNOHANG);
		usleep(1000);
	}
}
