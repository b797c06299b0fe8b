// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * tracer.c - the life of a tracer: it looks at a process, stops it, has it noted and copied, lets
 * it go, and makes the copy a shadow. It calls nothing that takes a lock (workspace.h).
 */
#include "capture/tracer.h"
#include "capture/ended.h"
#include "capture/freezer.h"
#include "capture/hold.h"
#include "capture/memory.h"
#include "capture/outside.h"
#include "capture/plant.h"
#include "pie/numbers.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define COPIES		3	/* tries to copy all areas of a process that changes them */
#define WAITS		10	/* for threads to sleep again, twice as long each time, from 1 ms */
#define STATUS_MAX	8192u

/* ---- what can be said of it while it runs ---- */

/* A line of /proc/PID/status, behind its name; NULL: there is none. */
static const char *field(const char *status, const char *name)
{
	const char *line = strstr(status, name);

	return line ? line + strlen(name) : NULL;
}

static int refuse(struct trace_outcome *o, int err, const char *why)
{
	snprintf(o->why, sizeof(o->why), "%s", why);
	return err;
}

/*
 * Its first thread has ended: what it is, its memory and filters, the kernel tells of those that
 * have not.
 */
static void look_at_others(struct frozen *f, char *status)
{
	struct numbers list;
	char path[64];
	int tid;

	snprintf(path, sizeof(path), "/proc/%d/task", f->pid);
	if (numbers_open(&list, path))
		return;
	while ((tid = numbers_next(&list)) >= 0) {
		snprintf(path, sizeof(path), "/proc/%d/task/%d/status", f->pid, tid);
		if (proc_read(path, status, STATUS_MAX) > 0 && field(status, "\nVmSize:"))
			break;
	}
	numbers_close(&list);
}

/* A process that may be copied, as far as that is known before it is stopped. */
static int examine(struct frozen *f, struct shadow_args *job, struct trace_outcome *o)
{
	char *status = workspace_take(f->memory, STATUS_MAX), path[40], group[4096];
	const char *p;
	int pid = f->pid;
	long n;

	if (!status)
		return refuse(o, -ENOMEM, "no memory to look at it");
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	n = proc_read(path, status, STATUS_MAX);
	if (n == -ENOENT && access("/proc/self/status", F_OK))
		return refuse(o, -ENOSYS, "/proc is not mounted here");
	if (n < 0)
		return refuse(o, n == -ENOENT ? -ESRCH : (int)n,
			      n == -ENOENT ? "there is no such process" : strerror((int)-n));
	p = field(status, "\nTgid:\t");
	if (p && atoi(p) != pid) {
		snprintf(o->why, sizeof(o->why), "it is a thread of process %d", atoi(p));
		return -EINVAL;
	}
	p = field(status, "\nState:\t");
	if (p && (*p == 'Z' || *p == 'X') && (!(p = field(status, "\nThreads:\t")) || atoi(p) < 2))
		return refuse(o, -ESRCH, "it has ended, and its parent has not waited for it");
	p = field(status, "\nTracerPid:\t");
	if (p && atoi(p)) {
		snprintf(o->why, sizeof(o->why), "it is traced by process %d", atoi(p));
		return -EBUSY;
	}
	p = field(status, "\nThreads:\t");
	if (!field(status, "\nVmSize:") && p && atoi(p) < 2)
		return refuse(o, -EINVAL,
			      "it is a thread of the kernel, which has no memory of its own");
	p = field(status, "\nSigCgt:\t");
	f->caught = p ? strtoull(p, NULL, 16) : 0;
	/* The last number is that of its own pid namespace. */
	job->parent_pid = pid;
	p = field(status, "\nNSpid:");
	for (const char *end = p ? p + strcspn(p, "\n") : NULL; p && p < end; p++)
		if (*p == '\t')
			job->parent_pid = atoi(p + 1);
	if (!field(status, "\nVmSize:"))
		look_at_others(f, status);
	p = field(status, "\nSeccomp:\t");
	f->confined = p && atoi(p) != 0;
	p = field(status, "\nVmLck:\t");
	f->locked_kb = p ? strtoull(p, NULL, 10) : 0;
	if (freezer_holds(pid, f->memory, group, sizeof(group))) {
		snprintf(o->why, sizeof(o->why), "its control group is frozen (%.200s)", group);
		return -EBUSY;
	}
	ended_find(f);
	return 0;
}

/* ---- the tracer ---- */

static void pause_ms(long ms)
{
	const struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

/*
 * The copy becomes a shadow at once, and the process stands still until it has copied what both
 * share.
 */
static int plant_held(struct trace_request *t, struct frozen *f, struct tracee *copy)
{
	int err = plant(copy, &f->space, t->job, &t->memory, !t->is_caller, f->why);

	hold_await(t->job->held_fd, !err, t->job->copy_bytes);
	return err;
}

/*
 * 0: the process runs on, and its capture is in the job; copy stands still, a shadow to be, or
 * *planted: it is one.
 */
static int take(struct trace_request *t, struct frozen *f, struct unforkable *u,
		struct tracee *copy, bool *planted)
{
	struct shadow_args *job = t->job;
	bool nameless = false;
	int err = -EAGAIN, copies = 0, waits = 0;

	while (err == -EAGAIN && copies < COPIES && waits < WAITS) {
		int released;

		f->unsettled = false;
		err = copies + waits ? unforkable_find(u, f) : 0;
		copy->tid = 0;
		if (!err && !(copies + waits))
			err = nameless_look(f, &nameless);
		if (!err)
			err = freeze(f);
		if (err)
			break;
		err = capture_outside(&job->capture, f);
		/* A lifetime is counted by the clock of the process. */
		if (!err)
			job->created_ns = job->capture.monotonic_ns;
		if (t->is_caller)
			memory_noted(u->areas, u->count);
		if (!err)
			err = capture_copy(&job->capture, f, u, copy);
		/* Without a pipe the shadow copies nothing, and names what a child cannot have. */
		*planted = !err && (nameless || job->capture.has_nameless) &&
			   !hold_open(job->held_fd);
		if (*planted)
			err = plant_held(t, f, copy);
		released = thaw(f);
		if (!err && released) {
			snprintf(f->why, sizeof(f->why), "it was killed meanwhile");
			err = -ESRCH;
		}
		if (err && copy->tid)
			tracee_end(copy);
		if (err == -EAGAIN && f->unsettled)
			pause_ms(1L << waits++);
		else
			copies++;
	}
	if (err == -EAGAIN && !f->unsettled)
		snprintf(f->why, sizeof(f->why),
			 "a copy of it lacks some of its memory, which is that of a device or changes");
	return err;
}

void tracer_run(struct trace_request *t)
{
	struct trace_outcome *o = &t->outcome;
	struct frozen f = { .pid = t->pid,
			    .pidfd = t->job->parent_fd,
			    .memory = &t->memory,
			    .room = 2 * t->threads + 64 };
	struct unforkable unforkable = { 0 };
	struct tracee copy = { 0 };
	bool planted = false;

	signal(SIGCHLD, SIG_DFL);
	/* The process stands still for as long as this takes. */
	setpriority(PRIO_PROCESS, 0, -20);
	if (t->is_caller) {
		f.hidden_pages = t->memory.bytes / PAGE_BYTES;
		unforkable.leave_out = (uint64_t)t->memory.start;
		unforkable.leave_out_end = unforkable.leave_out + t->memory.bytes;
	}
	o->err = examine(&f, t->job, o);
	if (!o->err && f.pidfd < 0)
		o->err = refuse(o, -ESRCH, "it cannot be watched (pidfd_open)");
	if (o->err)
		return;
	o->err = take(t, &f, &unforkable, &copy, &planted);
	if (o->err) {
		memcpy(o->why, f.why, sizeof(o->why));
		return;
	}
	if (!planted)
		o->err = plant(&copy, &f.space, t->job, &t->memory, !t->is_caller, o->why);
	if (o->err)
		tracee_end(&copy);
}
