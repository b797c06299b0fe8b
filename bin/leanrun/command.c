// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * command.c - runs a container as if its command ran in mitosis-leanrun's place: standard streams,
 * signals, job control, exit status.
 */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tool.h"
#include "units.h"

struct run {
	struct job *job;
	struct lean_leaf leaf;
	struct lean_spawn *spawn;	/* shared with the container, until it becomes a program */
	struct init *init;		/* likewise; NULL: the command is process 1 */
	pid_t pid;
	int signals, master;		/* signalfd; our end of the container's terminal, or -1 */
	int stdin_open;
	int ended_by;			/* the signal whose default action we carried out */
	bool ended;
	int status;
};

/*
 * What the kernel does not do to process 1: a signal that it neither handles, blocks nor ignores,
 * and that would end any other process, ends it.
 */
static void default_action(struct run *r, int signo)
{
	static const int harmless[] = { SIGCHLD, SIGCONT, SIGURG, SIGWINCH };
	char path[32], text[4096], *at;
	uint64_t bit = 1ULL << (signo - 1);
	ssize_t n;
	int fd;

	for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++)
		if (signo == harmless[i])
			return;
	snprintf(path, sizeof(path), "%d/status", (int)r->pid);
	fd = openat(r->job->host_proc, path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return;
	text[n] = '\0';
	for (int i = 0; i < 3; i++) {
		static const char *const lines[] = { "\nSigBlk:", "\nSigIgn:", "\nSigCgt:" };

		at = strstr(text, lines[i]);
		if (!at || strtoull(at + strlen(lines[i]), NULL, 16) & bit)
			return;
	}
	r->ended_by = signo;
	kill(r->pid, SIGKILL);
}

/* Ctrl-Z stopped us: the container stands still as long as we do. */
static void stop(struct run *r)
{
	bool frozen = r->leaf.fd >= 0 && !leaf_freeze(r->leaf.fd, true);
	int err;

	/* Without a cgroup: init stops all there is, a command in its place only itself. */
	if (!frozen)
		kill(r->pid, r->init ? SIGTSTP : SIGSTOP);
	kill(getpid(), SIGSTOP);
	if (!frozen) {
		kill(r->pid, SIGCONT);
		return;
	}
	err = leaf_freeze(r->leaf.fd, false);
	if (err)
		tool_error(r->job->name, "cgroup c%u: the container stays frozen: %s",
			   r->leaf.number, strerror(-err));
}

static void take_signals(struct run *r)
{
	struct signalfd_siginfo s;

	while (read(r->signals, &s, sizeof(s)) == (ssize_t)sizeof(s)) {
		switch (s.ssi_signo) {
		case SIGCHLD:
			if (waitpid(r->pid, &r->status, WNOHANG) == r->pid)
				r->ended = true;
			break;
		case SIGWINCH:
			if (r->master >= 0)
				terminal_copy_size(r->master);
			else
				kill(r->pid, SIGWINCH);
			break;
		case SIGTSTP:
		case SIGTTIN:
		case SIGTTOU:
			stop(r);
			break;
		case SIGCONT:
			break;
		default:
			kill(r->pid, (int)s.ssi_signo);
			if (!r->init)
				default_action(r, (int)s.ssi_signo);
		}
	}
}

static bool write_all(int fd, const char *from, size_t n)
{
	while (n) {
		ssize_t put = write(fd, from, n);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return false;
		from += put;
		n -= (size_t)put;
	}
	return true;
}

/* One read from one side to the other; false: that side has ended. */
static bool pass(int from, int to)
{
	char buffer[8192];
	ssize_t n = read(from, buffer, sizeof(buffer));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return true;
	return n > 0 && write_all(to, buffer, (size_t)n);
}

static void relay(struct run *r)
{
	while (!r->ended) {
		struct pollfd fds[] = {
			{ .fd = r->signals, .events = POLLIN },
			{ .fd = r->master, .events = POLLIN },
			{ .fd = r->master >= 0 && r->stdin_open ? 0 : -1, .events = POLLIN },
		};

		if (poll(fds, 3, -1) < 0)
			continue;
		if (fds[1].revents && !pass(r->master, 1))
			r->master = -1;
		if (fds[2].revents && r->master >= 0 && !pass(0, r->master))
			r->stdin_open = 0;
		if (fds[0].revents)
			take_signals(r);
	}
	/* What it said last. */
	while (r->master >= 0) {
		struct pollfd p = { .fd = r->master, .events = POLLIN };

		if (poll(&p, 1, 0) <= 0 || !(p.revents & POLLIN) || !pass(r->master, 1))
			break;
	}
}

/* End as the command ended. */
static int end(struct run *r)
{
	struct rlimit no_core = { 0, 0 };
	int status = r->status, signo;
	char size[32];
	sigset_t one;

	terminal_restore();
	if (leaf_ran_out(&r->leaf))
		tool_error(r->job->name, "out of memory: a container may have %s",
			   units_format_size(r->job->spawner.t->memory, size));
	leaf_give_back(&r->leaf);
	if (r->spawn->failed)
		return job_failed(r->job, r->spawn, 0);
	if (r->init && r->init->ended)
		status = r->spawn->status;
	if (WIFEXITED(status) && !r->ended_by)
		return WEXITSTATUS(status);
	signo = r->ended_by ? r->ended_by : WTERMSIG(status);
	setrlimit(RLIMIT_CORE, &no_core);
	signal(signo, SIG_DFL);
	sigemptyset(&one);
	sigaddset(&one, signo);
	fflush(NULL);
	kill(getpid(), signo);
	sigprocmask(SIG_UNBLOCK, &one, NULL);
	return 128 + signo;
}

int run_command(struct job *j)
{
	struct run r = { .job = j, .master = -1, .stdin_open = 1 };
	int pair[2] = { -1, -1 };
	bool terminal;
	sigset_t all;
	int err;

	/* Before entering: the user's terminal is the host's. */
	terminal = j->init && isatty(0) && isatty(1);
	err = job_enter(j, false, false);
	if (err)
		return err;
	if (leaf_take(j->spawner.group, j->spawner.t, j->spawner.view.limits, &r.leaf))
		return STATUS_CANNOT_RUN;
	r.spawn = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (r.spawn == MAP_FAILED ||
	    (terminal && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))) {
		tool_error(j->name, "%s", strerror(errno));
		return STATUS_CANNOT_RUN;
	}
	job_spawn(j, r.spawn, &r.leaf);
	if (j->init) {
		r.init = (struct init *)(r.spawn + 1);
		*r.init = (struct init){ .stdio = { 0, 1, 2 }, .terminal = pair[1] };
		r.spawn->main = init_main;
		r.spawn->data = r.init;
		r.spawn->terminals = true;
	}
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	r.signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	if (r.signals < 0) {
		tool_error(j->name, "signals: %s", strerror(errno));
		return STATUS_CANNOT_RUN;
	}
	r.pid = lean_spawn(r.spawn);
	if (r.pid < 0)
		return job_failed(j, r.spawn, r.pid);
	if (terminal) {
		close(pair[1]);
		r.master = terminal_receive(pair[0]);
		if (r.master >= 0) {
			terminal_copy_size(r.master);
			terminal_raw();
		} else if (r.master != -EPIPE) {
			tool_error(j->name, "terminal: %s", strerror(-r.master));
			kill(r.pid, SIGKILL);
			while (waitpid(r.pid, NULL, 0) < 0 && errno == EINTR)
				;
			return STATUS_CANNOT_RUN;
		}
	}
	relay(&r);
	return end(&r);
}
