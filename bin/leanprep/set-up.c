// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* set-up.c - the running half of a template: see verbs.h. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "leanprep/prep.h"
#include "leanprep/verbs.h"
#include "tool.h"

volatile sig_atomic_t interrupted;

static void on_signal(int signo)
{
	interrupted = signo;
}

void catch_signals(void)
{
	const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_handler = on_signal };

	for (size_t i = 0; i < 3; i++)
		sigaction(signals[i], &action, NULL);
}

void lock_failed(const char *name, int err)
{
	if (err == EWOULDBLOCK)
		tool_error(name, "in use: containers of it run, "
			   "or another mitosis-leanprep is at work on it");
	else
		tool_error(name, "%s", strerror(err));
}

int lock_alone(const char *name)
{
	int fd = lean_lock(name, LEAN_EXCLUSIVE);

	if (fd < 0)
		lock_failed(name, errno);
	return fd;
}

int set_up(const struct lean_template *t)
{
	struct lean_view v;
	struct keeper k;
	char path[PATH_MAX], why[WHY_MAX];
	struct stat st;
	int status;

	if (!view_read(t->name, &v))
		return 0;
	if (template_stop(t->name, t, why)) {
		tool_error(t->name, "%s", why);
		return STATUS_FAILED;
	}
	if (mkdir(lean_run_path(path, t->name, NULL), 0755)) {
		tool_error(path, "%s", strerror(errno));
		return STATUS_FAILED;
	}
	if (profile_write(t->name) || keeper_start(t, &k))
		return STATUS_FAILED;
	v = (struct lean_view){ .pid = k.pid, .started = process_started(k.pid) };
	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)k.pid);
	status = stat(path, &st);
	v.mount_ns = st.st_ino;
	if (!status && geteuid()) {
		snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)k.pid);
		status = stat(path, &st);
		v.user_ns = st.st_ino;
	}
	if (status) {
		tool_error(path, "%s", strerror(errno));
		status = STATUS_FAILED;
	} else {
		status = delegate(t, k.pid, &v);
	}
	if (!status && view_write(t->name, &v)) {
		tool_error(lean_run_path(path, t->name, "view"), "%s", strerror(errno));
		status = STATUS_FAILED;
	}
	if (!status && !interrupted)
		return keeper_release(&k) ? STATUS_FAILED : 0;
	keeper_kill(v.pid, v.started);
	if (v.cgroup[0])
		group_remove(v.cgroup);
	close(k.go);
	close(k.ready);
	return status == STATUS_SKIP ? STATUS_SKIP : STATUS_FAILED;
}
