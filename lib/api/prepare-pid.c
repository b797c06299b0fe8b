// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * prepare-pid.c - mitosis_prepare_pid(): a snapshot of another process, which need not know of it.
 */
#include "api/job.h"
#include "api/log.h"
#include "capture/tracer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static __attribute__((noreturn)) void run_tracer(struct trace_request *t, int answer)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	t->outcome.err = workspace_open(&t->memory, t->threads);
	if (t->outcome.err)
		strcpy(t->outcome.why, "no memory to look at it");
	else
		tracer_run(t);
	_exit(write(answer, &t->outcome, sizeof(t->outcome)) == (ssize_t)sizeof(t->outcome) ? 0
											    : 1);
}

static int trace(struct trace_request *t)
{
	int ends[2], err = 0;
	ssize_t n;
	pid_t tracer;

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	tracer = fork();
	if (tracer < 0)
		err = -errno;
	if (!tracer)
		run_tracer(t, ends[1]);
	close(ends[1]);
	if (!err) {
		do {
			n = read(ends[0], &t->outcome, sizeof(t->outcome));
		} while (n < 0 && errno == EINTR);
		while (waitpid(tracer, NULL, 0) < 0 && errno == EINTR)
			;
		if (n != (ssize_t)sizeof(t->outcome))
			t->outcome = (struct trace_outcome){ .err = -ECHILD,
							     .why = "the tracer was killed" };
		err = t->outcome.err;
		if (err)
			log_error("process %d: %s", t->pid, t->outcome.why);
	}
	close(ends[0]);
	return err;
}

/* What the copy says of itself when it has read what it is. */
static int hear(const struct trace_request *t, int outcome_fd)
{
	char why[256] = "";
	ssize_t n, used = 0;

	do {
		n = read(outcome_fd, why + used, sizeof(why) - 1 - (size_t)used);
		if (n > 0)
			used += n;
	} while ((n > 0 && why[used - 1]) || (n < 0 && errno == EINTR));
	if (!used) {
		log_error("process %d: its snapshot was killed: what it needs may be forbidden here, by a filter of "
			  "system calls (seccomp) or a limit",
			  t->pid);
		return -ECHILD;
	}
	if (!why[0])
		return 0;
	log_error("process %d: %s", t->pid, why);
	return -ENOTSUP;
}

EXPORT int mitosis_prepare_pid(int pid, const struct mitosis_prepare_args *args,
			       char ref[MITOSIS_REF_MAX])
{
	struct shadow_args *job = malloc(sizeof(*job));
	struct trace_request t = { .pid = pid, .job = job };
	char path[40];
	struct stat st;
	int ends[2], err;

	if (!job)
		return -ENOMEM;
	err = pid > 0 ? job_open(job, args, ref) : -EINVAL;
	if (!err && pipe2(ends, O_CLOEXEC)) {
		err = -errno;
		job_close(job);
	}
	if (err) {
		free(job);
		return err;
	}
	job->outcome_fd = ends[1];
	/* Why there is none the tracer finds out, who looks at it more closely. */
	job->parent_fd = (int)syscall(SYS_pidfd_open, pid, 0);
	/* Its links are "." and "..", and one for each thread. */
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	t.threads = stat(path, &st) ? 1 : (unsigned int)st.st_nlink;
	err = trace(&t);
	job_close(job);
	if (!err)
		err = hear(&t, ends[0]);
	close(ends[0]);
	free(job);
	return err;
}
