// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* measure.c - parents of a tool's own making: see measure.h. */
#include "measure.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "uffd.h"
#include "library.h"
#include "measure/references.h"
#include "tool.h"

bool measure_has_kernel(bool others)
{
	int err = mitosis_engine_check("kernel");

	if (!err)
		return true;
	library_failed("engine kernel", err);
	if (others)
		tool_warn("engine kernel", "left out");
	return false;
}

bool measure_has_demand(bool others)
{
	int uffd = uffd_open();

	if (uffd >= 0) {
		close(uffd);
		return true;
	}
	tool_error("userfaultfd", "%s: memory cannot be fetched on demand "
		   "(mitosis-check says what to do)", strerror(-uffd));
	if (others)
		tool_warn("engine user", "on demand: left out");
	return false;
}

uint64_t measure_minor_faults(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (uint64_t)u.ru_minflt;
}

bool measure_is_nothing(const uint64_t *wss, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (wss[i])
			continue;
		tool_usage_error("--wss", "0: there is nothing to measure without a working set");
		return true;
	}
	return false;
}

int parent_start(struct parent *p, parent_life *live, const void *data)
{
	pid_t tool = getpid();
	int report[2], until[2];

	if (pipe2(report, O_CLOEXEC)) {
		tool_error("pipe", "%s", strerror(errno));
		return -1;
	}
	if (pipe2(until, O_CLOEXEC)) {
		tool_error("pipe", "%s", strerror(errno));
		close(report[0]);
		close(report[1]);
		return -1;
	}
	fflush(NULL);
	p->pid = fork();
	if (!p->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != tool)
			_exit(STATUS_FAILED);
		close(report[0]);
		close(until[1]);
		live(data, report[1], until[0]);
		_exit(0);
	}
	close(report[1]);
	close(until[0]);
	p->report = report[0];
	p->until = until[1];
	if (p->pid > 0)
		return 0;
	tool_error("fork", "%s", strerror(errno));
	close(p->report);
	close(p->until);
	return -1;
}

void parent_end(struct parent *p)
{
	close(p->report);
	close(p->until);
	while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* Until a signal asks to end (0), or one of them ends by itself (-1, after a message). */
static int await_signal(const struct parent *parents, size_t n)
{
	sigset_t set, old;
	int status = 0;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, &old);
	for (;;) {
		for (size_t i = 0; i < n && !status; i++) {
			siginfo_t ended = { 0 };

			/* Not reaped: parent_end() does that. */
			if (!waitid(P_PID, (id_t)parents[i].pid, &ended,
				    WEXITED | WNOHANG | WNOWAIT) && ended.si_pid) {
				tool_error("parent", "process %d ended", (int)parents[i].pid);
				status = -1;
			}
		}
		if (status || sigwaitinfo(&set, NULL) != SIGCHLD)
			break;
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
	return status;
}

int parents_serve(size_t n, parent_maker *make, const void *data)
{
	struct parent *parents = calloc(n, sizeof(*parents));
	char ref[MITOSIS_REF_MAX];
	int status = 0;
	size_t made = 0;

	if (!parents) {
		tool_error(NULL, "%s", strerror(ENOMEM));
		return -1;
	}
	while (made < n && !status) {
		status = make(data, made, &parents[made], ref);
		if (status)
			break;
		made++;
		status = reference_print(ref);
	}
	if (!status)
		status = await_signal(parents, n);
	while (made)
		parent_end(&parents[--made]);
	free(parents);
	return status;
}

int parent_prepare(const char *engine, const char *listen, char ref[MITOSIS_REF_MAX])
{
	struct mitosis_prepare_args args = MITOSIS_PREPARE_ARGS_INIT;
	int ret;

	args.engine = engine;
	args.listen = listen;
	ret = mitosis_prepare(&args, ref);
	if (ret >= 0)
		return ret;
	library_failed(listen ? listen : "prepare", ret);
	_exit(STATUS_FAILED);
}

void parent_wait(int until)
{
	char c;

	while (read(until, &c, 1) < 0 && errno == EINTR)
		;
	_exit(0);
}
