// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* children.c - measured children: see children.h. */
#include "children.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"

const char *sibling_path(const char *name)
{
	static char path[PATH_MAX + 64];
	char own[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", own, sizeof(own) - 1);
	char *slash;

	if (n > 0) {
		own[n] = '\0';
		slash = strrchr(own, '/');
		*slash = '\0';
		/* libtool keeps the real program one directory below. */
		if (slash - own > 6 && !strcmp(slash - 6, "/.libs"))
			slash[-6] = '\0';
		snprintf(path, sizeof(path), "%s/%s", own, name);
		if (!access(path, X_OK))
			return path;
	}
	snprintf(path, sizeof(path), "%s/%s", BINDIR, name);
	return path;
}

/* Some programs lie in sbin, which users often do not search. */
bool program_path(const char *name, char *path, size_t room)
{
	char list[4096], *at = list, *dir;

	snprintf(list, sizeof(list), "%s:/usr/local/sbin:/usr/sbin:/sbin",
		 getenv("PATH") ? getenv("PATH") : "");
	while ((dir = strsep(&at, ":"))) {
		snprintf(path, room, "%s/%s", *dir ? dir : ".", name);
		if (!access(path, X_OK))
			return true;
	}
	*path = '\0';
	return false;
}

static int start(struct child *c, char *const argv[], int in, bool apart)
{
	volatile uint64_t started = 0;
	volatile int failed = 0;
	sigset_t none;
	int pipes[2];

	if (pipe2(pipes, O_CLOEXEC))
		return -1;
	sigemptyset(&none);
	/* vfork: the clock is read in the new process, so making it is not measured. */
	c->pid = vfork();
	if (!c->pid) {
		dup2(pipes[1], 1);
		if (in >= 0)
			dup2(in, 0);
		if (apart)
			setsid();
		sigprocmask(SIG_SETMASK, &none, NULL);
		started = clock_now_ns();
		execv(argv[0], argv);
		failed = errno;
		_exit(127);
	}
	close(pipes[1]);
	c->out = pipes[0];
	c->started_ns = started;
	if (c->pid > 0 && !failed)
		return 0;
	if (c->pid > 0) {
		waitpid(c->pid, NULL, 0);
		errno = failed;
	}
	close(pipes[0]);
	return -1;
}

int child_start(struct child *c, char *const argv[])
{
	return start(c, argv, -1, false);
}

int child_start_with(struct child *c, char *const argv[], int in)
{
	return start(c, argv, in, false);
}

int child_start_apart(struct child *c, char *const argv[], int in)
{
	return start(c, argv, in, true);
}

int read_exactly(int fd, void *to, size_t n)
{
	while (n) {
		ssize_t got = read(fd, to, n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return -1;
		to = (char *)to + got;
		n -= (size_t)got;
	}
	return 0;
}

int write_exactly(int fd, const void *from, size_t n)
{
	while (n) {
		ssize_t put = write(fd, from, n);

		if (put < 0 && errno == EINTR)
			continue;
		if (!put)
			/* a write that says no more than that it wrote nothing */
			errno = ENOSPC;
		if (put <= 0)
			return -1;
		from = (const char *)from + put;
		n -= (size_t)put;
	}
	return 0;
}

int child_read(struct child *c, void *to, size_t n)
{
	return read_exactly(c->out, to, n);
}

int child_finish(struct child *c)
{
	int status;

	close(c->out);
	while (waitpid(c->pid, &status, 0) < 0)
		if (errno != EINTR)
			return 127;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
