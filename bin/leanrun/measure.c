// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * measure.c - starts many containers and writes a record for each.
 *
 * Each of `parallel` spawners is a process of its own that has entered the template; they take the
 * numbers of containers from a counter that they share, and tell what they measured over one pipe.
 * A spawner ends with this process, and its containers end with it.
 */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "children.h"
#include "clock.h"
#include "measure/rate.h"
#include "progress.h"
#include "tool.h"

enum {
	C_TEMPLATE,
	C_MODE,
	C_PARALLEL,
	C_ITER,
	C_START,
	C_RESUME,
	C_TOTAL,
	C_STATUS,
	C_AT,
	C_SLOT,
	C_CLONE,
	C_MOUNT,
	C_CONFINE,
	C_EXEC,
	C_PAUSE,
	C_PER_S
};
const struct record_column measure_columns[] = {
	[C_TEMPLATE] = { "template", RECORD_STRING, "whose containers were started" },
	[C_MODE] = { "mode", RECORD_STRING,
		     "run, pool (started from a slot held ready), or pause" },
	[C_PARALLEL] = { "parallel", RECORD_UINT,
			 "spawners that start containers at the same time" },
	[C_ITER] = { "iter", RECORD_UINT, "number of the container, from 0" },
	[C_START] = { "start_ns", RECORD_NS,
		      "request to the program loaded or let go; with --stamp to its main; pause: thaw to its first step, or to its answer" },
	[C_RESUME] = { "resume_ns", RECORD_NS,
		       "children of a snapshot: request to the child running" },
	[C_TOTAL] = { "total_ns", RECORD_NS, "request to the end of the container, reaped" },
	[C_STATUS] = { "status", RECORD_UINT, "exit status of the command, 128 + N for signal N" },
	[C_AT] = { "at_ns", RECORD_NS, "when it was asked for, from the first request" },
	[C_SLOT] = { "slot_ns", RECORD_NS, "pool: time to make the slot, before it was asked for" },
	[C_CLONE] = { "clone_ns", RECORD_NS,
		      "--steps, of start_ns, in a pool of slot_ns: clone3, to the first step in the container" },
	[C_MOUNT] = { "mount_ns", RECORD_NS, "--steps: /tmp, /proc and what is masked in it" },
	[C_CONFINE] = { "confine_ns", RECORD_NS,
			"--steps: host name, descriptors, user, capabilities" },
	[C_EXEC] = { "exec_ns", RECORD_NS,
		     "--steps: exec, to the program loaded, in a pool also linked" },
	[C_PAUSE] = { "pause_ns", RECORD_NS,
		      "--bench-pause: freeze asked for, to all processes standing still" },
	[C_PER_S] = { "containers_per_s", RECORD_DOUBLE,
		      "that ended, or were thawed, per second in the stretch that this one completes" },
};
const size_t measure_column_count = sizeof(measure_columns) / sizeof(measure_columns[0]);

struct shared {
	_Atomic uint64_t next;		/* number of the next container */
	_Atomic uint32_t ready;		/* spawners that have entered, with their slots made */
	_Atomic uint32_t go;
};

/* ---- in a spawner ---- */

/*
 * The line that a --stamp program writes first: its clock when it came to main. The rest is read
 * and dropped.
 */
static uint64_t read_stamp(int fd)
{
	char text[4096], line[32];
	size_t have = 0;
	ssize_t n;

	while ((n = read(fd, text, sizeof(text))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		for (ssize_t i = 0; i < n && have < sizeof(line) - 1; i++)
			line[have++] = text[i];
	}
	line[have] = '\0';
	return strtoull(line, NULL, 10);
}

/* From its start to its end. */
static int finish(const struct spawner *sp, struct slot *s, struct sample *sample)
{
	uint64_t stamp = 0;
	int status;

	if (s->report >= 0 &&
	    read_exactly(s->report, &sample->resumed_ns, sizeof(sample->resumed_ns)))
		sample->resumed_ns = 0;
	if (s->out >= 0)
		stamp = read_stamp(s->out);
	while (waitpid(s->pid, &status, 0) < 0)
		if (errno != EINTR)
			return STATUS_CANNOT_RUN;
	sample->ended_ns = clock_now_ns();
	sample->asked_ns = s->asked_ns;
	/*
	 * On a busy host the child may have told that it runs before the spawner, which runs again
	 * later, took its own time.
	 */
	sample->started_ns = sample->resumed_ns && sample->resumed_ns < s->started_ns
				     ? sample->resumed_ns
				     : s->started_ns;
	sample->status = (uint32_t)(WIFEXITED(status) ? WEXITSTATUS(status)
						      : 128 + WTERMSIG(status));
	s->pid = 0;
	slot_kill(s);
	if (!sp->m->stamp)
		return 0;
	if (stamp < sample->asked_ns || stamp > sample->ended_ns) {
		tool_error("--stamp",
			   "the command did not print the time of CLOCK_MONOTONIC in ns as its first line");
		return STATUS_FAILED;
	}
	sample->started_ns = stamp;
	return 0;
}

static int take_leaves(struct spawner *sp, struct slot *slots, uint64_t n)
{
	struct job *j = sp->job;

	for (uint64_t i = 0; i < n; i++)
		if (leaf_take(j->spawner.group, j->spawner.t, j->spawner.view.limits,
			      &slots[i].leaf))
			return STATUS_CANNOT_RUN;
	return 0;
}

bool next_number(struct spawner *sp, uint64_t *iter)
{
	*iter = atomic_fetch_add(&sp->shared->next, 1);
	return *iter < sp->m->count;
}

void await_go(struct spawner *sp)
{
	atomic_fetch_add(&sp->shared->ready, 1);
	/* Not a spin: the spawners may be more than the processors. */
	while (!atomic_load(&sp->shared->go))
		poll(NULL, 0, 1);
}

static int spawn_all(struct spawner *sp)
{
	bool pool = sp->slots > 0;
	uint64_t n = pool ? sp->slots : 1, i = 0;
	struct slot *slots = calloc(n, sizeof(*slots));
	int status = slots ? take_leaves(sp, slots, n) : STATUS_CANNOT_RUN;

	for (uint64_t k = 0; pool && k < n && !status; k++)
		status = slot_start(sp->job, &slots[k], sp->m->stamp, true);
	if (!status)
		await_go(sp);
	while (!status) {
		struct slot *s = &slots[i++ % n];
		struct sample sample = { 0 };

		if (!next_number(sp, &sample.iter))
			break;
		if (pool) {
			sample.slot_ns = s->made_ns;
			memcpy(sample.steps, s->steps, sizeof(sample.steps));
			if (slot_release(s)) {
				tool_error("slot", "%s", strerror(errno));
				status = STATUS_CANNOT_RUN;
				break;
			}
		} else {
			status = slot_start(sp->job, s, sp->m->stamp, false);
			if (status)
				break;
			memcpy(sample.steps, s->steps, sizeof(sample.steps));
		}
		status = finish(sp, s, &sample);
		if (!status && write_exactly(sp->out, &sample, sizeof(sample)))
			status = STATUS_FAILED;
		/* The next one is made ready between two measurements. */
		if (!status && pool)
			status = slot_start(sp->job, s, sp->m->stamp, true);
	}
	for (uint64_t k = 0; slots && k < n; k++) {
		slot_kill(&slots[k]);
		leaf_give_back(&slots[k].leaf);
	}
	free(slots);
	return status;
}

static __attribute__((noreturn)) void spawner_main(struct spawner *sp, pid_t parent)
{
	int status;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(STATUS_CANNOT_RUN);
	signal(SIGPIPE, SIG_IGN);
	status = job_enter(sp->job, true, true);
	if (!status)
		status = sp->m->pause ? pause_all(sp) : spawn_all(sp);
	fflush(stderr);
	_exit(status);
}

/* ---- in the tool ---- */

static void emit(struct record_stream *out, const struct job *j, const struct measure *m,
		 uint64_t parallel, const struct sample *s, uint64_t first, double per_s)
{
	record_begin(out);
	record_string(out, C_TEMPLATE, j->name);
	record_string(out, C_MODE, m->pause ? "pause" : m->pool ? "pool" : "run");
	record_uint(out, C_PARALLEL, parallel);
	record_uint(out, C_ITER, s->iter);
	record_uint(out, C_START, s->started_ns - s->asked_ns);
	if (s->resumed_ns)
		record_uint(out, C_RESUME, s->resumed_ns - s->asked_ns);
	if (m->pause) {
		record_uint(out, C_PAUSE, s->pause_ns);
	} else {
		record_uint(out, C_TOTAL, s->ended_ns - s->asked_ns);
		record_uint(out, C_STATUS, s->status);
	}
	record_uint(out, C_AT, s->asked_ns - first);
	if (m->pool)
		record_uint(out, C_SLOT, s->slot_ns);
	for (int i = 0; i < 4 && m->steps; i++)
		record_uint(out, (size_t)(C_CLONE + i), s->steps[i]);
	record_double(out, C_PER_S, per_s);
	record_end(out);
}

struct tally {
	uint64_t done, failures;
};

/* Read records until all spawners have ended. */
static int collect(struct record_stream *out, const struct job *j, const struct measure *m,
		   uint64_t parallel, int in, uint64_t first, struct tally *tally)
{
	struct rate rate = rate_begin(m->count, parallel, first);
	uint64_t last = first;
	struct sample s;

	while (!read_exactly(in, &s, sizeof(s)) && !record_error(out)) {
		/* Two spawners may tell of theirs in another order than they ended. */
		last = s.ended_ns > last ? s.ended_ns : last;
		emit(out, j, m, parallel, &s, first, rate_add(&rate, last));
		tally->failures += s.status != 0;
		progress_update(++tally->done);
	}
	return record_error(out) ? STATUS_FAILED : 0;
}

static int run_with(struct job *j, const struct measure *m, struct record_stream *out,
		    uint64_t parallel, struct tally *tally)
{
	struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct spawner sp = { .job = j, .m = m, .shared = shared };
	pid_t *pids = calloc(parallel, sizeof(*pids)), us = getpid();
	int pipes[2], status = 0;
	uint64_t running = 0;

	if (shared == MAP_FAILED || !pids || pipe2(pipes, O_CLOEXEC)) {
		tool_error(j->name, "%s", strerror(errno));
		free(pids);
		return STATUS_CANNOT_RUN;
	}
	sp.out = pipes[1];
	sp.slots = (m->pool + parallel - 1) / parallel;
	fflush(NULL);
	for (; running < parallel; running++) {
		pids[running] = fork();
		if (!pids[running]) {
			close(pipes[0]);
			spawner_main(&sp, us);
		}
		if (pids[running] < 0) {
			tool_error("fork", "%s", strerror(errno));
			status = STATUS_CANNOT_RUN;
			break;
		}
	}
	close(pipes[1]);
	/* All begin at once. That one has failed is seen below, by its closed end of the pipe. */
	while (!status && atomic_load(&shared->ready) < running) {
		struct pollfd p = { .fd = pipes[0], .events = 0 };
		siginfo_t ended = { 0 };

		poll(&p, 1, 1);
		if (!waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) && ended.si_pid)
			break;
	}
	if (!status) {
		uint64_t first = clock_now_ns();

		atomic_store(&shared->go, 1);
		status = collect(out, j, m, parallel, pipes[0], first, tally);
	}
	close(pipes[0]);
	for (uint64_t i = 0; i < running; i++) {
		int ended;

		if (status)
			kill(pids[i], SIGKILL);
		while (waitpid(pids[i], &ended, 0) < 0 && errno == EINTR)
			;
		if (!status && ended)
			status = WIFEXITED(ended) ? WEXITSTATUS(ended) : STATUS_CANNOT_RUN;
	}
	munmap(shared, sizeof(*shared));
	free(pids);
	return status;
}

int run_measured(struct job *j, const struct measure *m)
{
	struct record_stream *out;
	struct tally tally = { 0 };
	int status = 0;

	if (m->pause && j->spawner.group < 0) {
		tool_error(j->name, "it has no cgroup here, so its containers cannot be paused");
		return STATUS_SKIP;
	}
	if (record_open(&out, stdout, m->json ? RECORD_JSON : RECORD_AUTO, measure_columns,
			measure_column_count, NULL, m->argc, m->argv))
		return STATUS_FAILED;
	/* Before the spawners are forked, so that their messages spare the bar. */
	progress_start(m->pause ? "pauses" : "containers", m->count * m->parallel_count);
	for (size_t i = 0; i < m->parallel_count && !status; i++)
		status = run_with(j, m, out, m->parallel[i], &tally);
	progress_finish();
	if (record_close(out))
		status = STATUS_FAILED;
	if (!status && tally.failures) {
		tool_error(j->name, "%llu containers ended with another status than 0",
			   (unsigned long long)tally.failures);
		status = STATUS_FAILED;
	}
	return status;
}
