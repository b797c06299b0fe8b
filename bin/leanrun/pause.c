// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * pause.c - what it costs to keep a container frozen and to thaw it when it is needed: the warm
 * start of systems that keep containers around.
 *
 * The container is asked something while it is frozen, and answers when it runs again. By itself it
 * holds a function of ours, to which a byte is sent and whose answer is the time at which it ran. A
 * command gets lines on its standard input and answers each with a line, when it has done what
 * there is to be done: so a server, or an interpreter that holds a function, is measured with its
 * work.
 */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "children.h"
#include "clock.h"
#include "textfile.h"
#include "tool.h"

/* A first answer takes long: an interpreter loads its libraries first. */
#define FIRST_ANSWER_MS	120000

struct paused {
	struct spawner *sp;
	struct lean_leaf leaf;
	bool command;
	pid_t pid;
	int to, from;
};

static void answer(struct lean_spawn *s)
{
	const int *fds = s->data;
	char c;

	dup2(fds[0], 0);
	dup2(fds[1], 1);
	syscall(SYS_close_range, 2, ~0U, 0);
	while (read(0, &c, 1) == 1) {
		uint64_t now = clock_now_ns();

		if (write_exactly(1, &now, sizeof(now)))
			break;
	}
	_exit(0);
}

static int ask(const struct paused *p)
{
	return write_exactly(p->to, "\n", 1) ? -EPIPE : 0;
}

/* ran: when it did its first step; a command: when its answer was there. */
static int hear(const struct paused *p, uint64_t *ran)
{
	char text[4096];
	ssize_t n;

	if (!p->command)
		return read_exactly(p->from, ran, sizeof(*ran)) ? -EPIPE : 0;
	do {
		n = read(p->from, text, sizeof(text));
		if (n <= 0 && (n == 0 || errno != EINTR))
			return -EPIPE;
	} while (n < 0 || text[n - 1] != '\n');
	*ran = clock_now_ns();
	return 0;
}

static bool has_spoken(const struct paused *p, int timeout_ms)
{
	struct pollfd from = { .fd = p->from, .events = POLLIN };

	return poll(&from, 1, timeout_ms) == 1;
}

static int complain(const struct paused *p, const char *what)
{
	const struct job *j = p->sp->job;

	tool_error(p->command ? j->argv.at[0] : j->name, "%s", what);
	return STATUS_FAILED;
}

/* A command that lacks something on this host exits with STATUS_SKIP; so do we then. */
static int complain_ended(struct paused *p)
{
	int status;

	if (!p->command)
		return complain(p, "ended instead of answering");
	/* It closed its output, which is before it ends. */
	for (int i = 0; i < 200 && p->pid > 0; i++) {
		if (waitpid(p->pid, &status, WNOHANG) == p->pid)
			p->pid = 0;
		else
			poll(NULL, 0, 5);
	}
	if (p->pid > 0)
		return complain(p, "has closed its output instead of answering");
	if (WIFEXITED(status))
		tool_error(p->sp->job->argv.at[0], "ended with status %d instead of answering",
			   WEXITSTATUS(status));
	else
		tool_error(p->sp->job->argv.at[0], "ended by signal %d instead of answering",
			   WTERMSIG(status));
	return WIFEXITED(status) && WEXITSTATUS(status) == STATUS_SKIP ? STATUS_SKIP
								       : STATUS_FAILED;
}

/* Before it is paused for the first time it has done once what it will be asked for. */
static int warm_up(struct paused *p)
{
	uint64_t ran;

	if (ask(p))
		return complain_ended(p);
	if (!has_spoken(p, FIRST_ANSWER_MS))
		return complain(
			p,
			"does not answer: for each line on its standard input it has to write one");
	return hear(p, &ran) ? complain_ended(p) : 0;
}

static int cycle(struct paused *p, struct sample *sample)
{
	uint64_t asked = clock_now_ns();
	int err = leaf_freeze(p->leaf.fd, true);

	sample->pause_ns = clock_now_ns() - asked;
	if (err)
		return complain(p, strerror(-err));
	if (has_spoken(p, 0))
		return complain(p, "has written more than a line for a line");
	if (ask(p))
		return complain_ended(p);
	if (has_spoken(p, 0))
		return complain(p, "ran while it was paused");
	sample->asked_ns = clock_now_ns();
	err = textfile_write(p->leaf.fd, "cgroup.freeze", "0");
	if (err)
		return complain(p, strerror(-err));
	if (hear(p, &sample->started_ns))
		return complain_ended(p);
	if (sample->started_ns < sample->asked_ns)
		return complain(p, "ran while it was paused");
	sample->ended_ns = sample->started_ns;
	return 0;
}

static int cycles(struct paused *p)
{
	int status = warm_up(p);

	if (!status)
		await_go(p->sp);
	while (!status) {
		struct sample sample = { 0 };

		if (!next_number(p->sp, &sample.iter))
			break;
		status = cycle(p, &sample);
		if (!status && write_exactly(p->sp->out, &sample, sizeof(sample)))
			status = STATUS_FAILED;
	}
	return status;
}

int pause_all(struct spawner *sp)
{
	struct lean_spawn *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE,
				    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct job *j = sp->job;
	struct paused p = { .sp = sp, .leaf = { .fd = -1 }, .command = !j->bare };
	int to[2], from[2], inside[2], status;

	if (s == MAP_FAILED || pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC)) {
		tool_error(j->name, "%s", strerror(errno));
		return STATUS_CANNOT_RUN;
	}
	if (leaf_take(j->spawner.group, j->spawner.t, j->spawner.view.limits, &p.leaf))
		return STATUS_CANNOT_RUN;
	job_spawn(j, s, &p.leaf);
	inside[0] = s->stdio[0] = to[0];
	inside[1] = s->stdio[1] = from[1];
	if (!p.command) {
		s->main = answer;
		s->data = inside;
	}
	p.pid = lean_spawn(s);
	close(to[0]);
	close(from[1]);
	p.to = to[1];
	p.from = from[0];
	if (p.pid < 0 || (p.command && s->failed)) {
		status = job_failed(j, s, p.pid);
	} else {
		status = cycles(&p);
		leaf_freeze(p.leaf.fd, false);
		if (status && !p.command && s->failed)
			job_failed(j, s, 0);
		/* Process 1: what else is in the container ends with it. */
		if (p.pid > 0)
			kill(p.pid, SIGKILL);
	}
	while (p.pid > 0 && waitpid(p.pid, NULL, 0) < 0 && errno == EINTR)
		;
	close(p.to);
	close(p.from);
	leaf_give_back(&p.leaf);
	return status;
}
