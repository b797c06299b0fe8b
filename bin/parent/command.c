// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * command.c - the ancestor of a command: it stays above it, as if the command had been started
 * directly, and prepares it when the occasion comes.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "clock.h"
#include "parent/parent.h"
#include "supervise.h"
#include "tool.h"

#define LOOK_NS		20000000	/* between looks for a listening port */

struct ancestor {
	int pid;			/* of the command */
	struct occasion when;
	const char *reference;
	const struct mitosis_prepare_args *prepare;
	int signal_fd, timer_fd;
};

/* ---- does it listen? ---- */

/* A socket of the process, by the inode that /proc shows. */
static bool has_socket(int pid, uint64_t inode)
{
	char path[64], want[64], link[64];
	struct dirent *e;
	bool found = false;
	DIR *list;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	snprintf(want, sizeof(want), "socket:[%" PRIu64 "]", inode);
	list = opendir(path);
	while (list && !found && (e = readdir(list))) {
		ssize_t n = readlinkat(dirfd(list), e->d_name, link, sizeof(link) - 1);

		link[n > 0 ? n : 0] = '\0';
		found = !strcmp(link, want);
	}
	if (list)
		closedir(list);
	return found;
}

/* In /proc/net/tcp(6): local address, state 0A (listening), and the inode in the tenth column. */
static bool listens_in(int pid, const char *table, uint64_t port)
{
	char path[64], *line = NULL;
	bool found = false;
	size_t room = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/net/%s", pid, table);
	f = fopen(path, "re");
	while (f && !found && getline(&line, &room, f) > 0) {
		unsigned int at, state;
		uint64_t inode;

		if (sscanf(line, " %*d: %*[0-9A-F]:%x %*s %x %*s %*s %*s %*s %*s %" SCNu64,
			   &at, &state, &inode) == 3 && at == port && state == 0x0a)
			found = has_socket(pid, inode);
	}
	free(line);
	if (f)
		fclose(f);
	return found;
}

static bool listens(int pid, uint64_t port)
{
	return listens_in(pid, "tcp", port) || listens_in(pid, "tcp6", port);
}

/* ---- */

static void prepare(const struct ancestor *a)
{
	/* The command goes on, whatever comes of it. */
	(void)prepare_process(a->pid, a->reference, a->prepare);
}

static void on_timer(struct ancestor *a)
{
	uint64_t times;

	if (read(a->timer_fd, &times, sizeof(times)) != (ssize_t)sizeof(times))
		return;
	if (a->when.port && !listens(a->pid, a->when.port))
		return;
	close(a->timer_fd);
	a->timer_fd = -1;
	prepare(a);
}

static int make_timer(const struct occasion *when)
{
	uint64_t first = when->port ? LOOK_NS : when->after_ns;
	struct itimerspec t = {
		.it_value = { (time_t)(first / 1000000000U), (long)(first % 1000000000U) },
		.it_interval.tv_nsec = when->port ? LOOK_NS : 0,
	};
	int fd;

	if (!first)
		return -1;
	fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	if (fd >= 0)
		timerfd_settime(fd, 0, &t, NULL);
	return fd;
}

/* Returns only when the command could not be executed: its errno. */
static int start(struct ancestor *a, char **command)
{
	sigset_t mask;
	int ends[2], err = 0, me = getpid();

	if (pipe2(ends, O_CLOEXEC))
		return errno;
	sigprocmask(SIG_BLOCK, NULL, &mask);
	/* Before the fork: nothing that happens to the command may be missed. */
	a->signal_fd = supervise_begin();
	if (a->signal_fd < 0)
		return -a->signal_fd;
	a->pid = fork();
	if (a->pid < 0)
		return errno;
	if (!a->pid) {
		/* Where only ancestors may trace a process (Yama), our tracer may. */
		prctl(PR_SET_PTRACER, me, 0, 0, 0);
		/* Who ends us means the command. */
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		if (getppid() != me)
			_exit(125);
		sigprocmask(SIG_SETMASK, &mask, NULL);
		/* It is no child; children of it find their numbers there. */
		setenv("MITOSIS_CHILD", "0000000000", 1);
		execvp(command[0], command);
		err = errno;
		_exit(write(ends[1], &err, sizeof(err)) == (ssize_t)sizeof(err) ? 0 : 1);
	}
	close(ends[1]);
	while (read(ends[0], &err, sizeof(err)) < 0 && errno == EINTR)
		;
	close(ends[0]);
	return err;
}

int run_command(char **command, const struct occasion *when, const char *reference,
		const struct mitosis_prepare_args *prepare_args)
{
	struct ancestor a = { .when = *when, .reference = reference, .prepare = prepare_args };
	int err;

	if (!has_engine(prepare_args->engine) || (reference && make_private(reference)))
		return STATUS_CANNOT_RUN;
	err = start(&a, command);
	if (err) {
		tool_error(command[0], "%s", strerror(err));
		return err == ENOENT ? STATUS_NOT_FOUND : STATUS_CANNOT_EXEC;
	}
	a.timer_fd = make_timer(when);
	supervise_take(when->signo);
	for (;;) {
		struct pollfd p[] = {
			{ .fd = a.signal_fd, .events = POLLIN },
			{ .fd = a.timer_fd, .events = POLLIN },
		};

		if (poll(p, 2, -1) < 0 && errno != EINTR)
			return STATUS_CANNOT_RUN;
		if (p[1].revents)
			on_timer(&a);
		if (p[0].revents && supervise_signals(a.signal_fd, a.pid))
			prepare(&a);
	}
}
