// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * children.c - runs of children of one snapshot, several at a time: see resume.h.
 *
 * There are as many places as children run at a time. A place gets its next child when the one
 * before has ended and, with --rate, when one is due. With --hold a child that has reported keeps
 * its place until all others have reported, too: then all are looked at, and all end.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "measure/rate.h"
#include "resume/arrivals.h"
#include "resume/resume.h"
#include "tool.h"

struct running {
	struct child child;
	struct sample sample;
	struct report report;
	uint64_t due_ns;	/* its times count from here */
	int hold;		/* what keeps it: the other end of its input, or -1 */
	bool reported;
};

/* Memory of a process, shared pages divided by those who map them; 0 if it cannot be known. */
static uint64_t pss_of(pid_t pid)
{
	char path[48], line[128];
	uint64_t kib = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Pss: %" SCNu64, &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib * 1024;
}

/* Its standard input ends at once or, with hold, when let_go() closes the other end. */
static int start_child(struct running *r, char *const argv[], bool hold)
{
	int in[2] = { -1, -1 }, status;

	r->hold = -1;
	r->reported = false;
	if (hold)
		status = pipe2(in, O_CLOEXEC);
	else
		status = in[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (status < 0) {
		tool_error(hold ? "pipe" : "/dev/null", "%s", strerror(errno));
		return -1;
	}
	status = child_start_with(&r->child, argv, in[0]);
	if (status)
		tool_error(argv[0], "%s", strerror(errno));
	close(in[0]);
	if (status && hold)
		close(in[1]);
	else if (hold)
		r->hold = in[1];
	return status;
}

static int restore_child(struct running *r, const struct group *g)
{
	r->hold = -1;
	r->reported = false;
	if (*g->place->copy && criu_copy(g->place, &r->sample.copy_ns, &r->sample.image_bytes))
		return -1;
	return criu_restore(g->place, g->parent, &r->child);
}

static int hear(struct running *r)
{
	r->reported = true;
	return report_read(&r->child, &r->report);
}

/* It has reported, or should have. */
static int finish_child(const struct group *g, struct running *r)
{
	if (child_end(&r->child, g->place, r->report.magic))
		return -1;
	if (!r->report.wrong)
		return 0;
	tool_error(child_speaker(g->place), "wrong byte at 0x%llx: it is not what the parent wrote",
		   (unsigned long long)r->report.wrong);
	return -1;
}

/* All that run have reported: what they hold now, and then they may go. */
static void let_go(struct running *list, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		uint64_t child = 0, supervisor = 0;

		if (list[i].hold >= 0) {
			child = pss_of((pid_t)list[i].report.pid);
			supervisor = pss_of(list[i].child.pid);
		}
		/* Half of it is no measurement. */
		list[i].sample.pss = child && supervisor ? child + supervisor : 0;
	}
	for (uint64_t i = 0; i < n; i++) {
		if (list[i].hold >= 0)
			close(list[i].hold);
		list[i].hold = -1;
	}
}

struct run {
	struct plan *p;
	const struct group *g;
	const char *mode;
	struct child_command plain, replaying;
	uint64_t parallel, started, running, reported, total, finished[2], begin_ns;
	struct running *list;
	struct pollfd *fds;
	struct arrivals arrivals;
	bool more;
	struct rate rate;
};

static uint64_t next_due(const struct run *r)
{
	return r->begin_ns + r->arrivals.due_ns;
}

static int start_at(struct run *r, uint64_t i)
{
	struct running *c = &r->list[i];
	bool replay = r->p->replay && r->started & 1;
	int err;

	c->sample = (struct sample){ .replay = replay };
	if (r->g->place)
		err = restore_child(c, r->g);
	else
		err = start_child(c, replay ? r->replaying.argv : r->plain.argv, r->p->hold);
	if (err)
		return -1;
	if (!r->started)
		r->begin_ns = c->child.started_ns;
	c->due_ns = c->child.started_ns;
	if (r->p->step_count) {
		c->due_ns = next_due(r);
		c->sample.step = r->arrivals.step;
		c->sample.rate = r->p->steps[r->arrivals.step].rate;
		r->more = arrivals_next(&r->arrivals);
	} else {
		r->more = r->started + 1 < r->total;
	}
	c->sample.at_ns = c->due_ns - r->begin_ns;
	r->fds[i] = (struct pollfd){ .fd = c->child.out, .events = POLLIN };
	r->started++;
	r->running++;
	return 0;
}

/* Start who is due, as far as there is room. Held ones come and go together. */
static int start_due(struct run *r)
{
	if (r->p->hold && r->reported)
		return 0;
	for (uint64_t i = 0; i < r->parallel && r->more; i++) {
		if (r->fds[i].fd >= 0)
			continue;
		if (r->p->step_count && r->started && clock_now_ns() < next_due(r))
			break;
		if (start_at(r, i))
			return -1;
	}
	return 0;
}

/* Milliseconds until the next one is due if there is room for it; -1: somebody has to end first. */
static int patience(const struct run *r)
{
	uint64_t now = clock_now_ns(), due = next_due(r);

	if (!r->p->step_count || !r->more || r->running == r->parallel)
		return -1;
	return due > now ? (int)((due - now) / 1000000u) : 0;
}

static int end_at(struct run *r, uint64_t i)
{
	struct running *c = &r->list[i];
	struct sample *s = &c->sample;
	uint64_t now;

	r->fds[i].fd = -1;
	r->running--;
	if (finish_child(r->g, c))
		return -1;
	now = clock_now_ns();
	s->resume_ns = c->report.first_ns - c->due_ns;
	s->touch = c->report.touch;
	if (c->report.touched_ns)
		s->touched_ns = c->report.touched_ns - c->due_ns;
	s->life_ns = now - c->due_ns;
	s->per_s = rate_add(&r->rate, now);
	emit(r->p, r->g->engine, c->report.wss, r->mode, r->parallel, r->finished[s->replay]++, s);
	return record_error(r->p->out);
}

static int take_turn(struct run *r)
{
	int status = start_due(r);

	if (status || poll(r->fds, r->parallel, patience(r)) < 0)
		return status;
	for (uint64_t i = 0; i < r->parallel && !status; i++) {
		if (r->fds[i].fd < 0 || !r->fds[i].revents)
			continue;
		if (!r->list[i].reported) {
			status = hear(&r->list[i]);
			r->reported++;
			/* Its end is not waited for here: it ends when it is let go. */
			if (r->p->hold)
				r->fds[i].events = 0;
		}
		if (!r->p->hold && !status)
			status = end_at(r, i);
	}
	if (!r->p->hold || status)
		return status;
	if (r->reported < r->running || (r->more && r->running < r->parallel))
		return 0;
	let_go(r->list, r->parallel);
	for (uint64_t i = 0; i < r->parallel && !status; i++)
		if (r->fds[i].fd >= 0)
			status = end_at(r, i);
	r->reported = 0;
	return status;
}

/* Something failed: end the children that still run. */
static void end_all(struct run *r)
{
	for (uint64_t i = 0; i < r->parallel; i++) {
		if (r->fds[i].fd < 0)
			continue;
		kill(r->list[i].child.pid, SIGKILL);
		if (r->list[i].hold >= 0)
			close(r->list[i].hold);
		child_finish(&r->list[i].child);
	}
}

int run_children(struct plan *p, const struct group *g, const char *mode, uint64_t parallel)
{
	struct run r = {
		.p = p, .g = g, .mode = mode, .parallel = parallel, .more = true,
		.total = (p->count + p->warmup) * (p->replay ? 2 : 1),
		.list = calloc(parallel, sizeof(*r.list)), .fds = calloc(parallel, sizeof(*r.fds)),
	};
	int status = r.list && r.fds ? 0 : -1;

	child_command_make(&r.plain, g->ref, g->option, mode, &p->child);
	if (g->file) {
		r.replaying = r.plain;
		child_command_add(&r.replaying, "--replay", g->file);
	}
	for (uint64_t i = 0; i < parallel && !status; i++) {
		r.fds[i].fd = -1;
		r.list[i].hold = -1;
	}
	if (p->step_count)
		arrivals_begin(&r.arrivals, p->steps, p->step_count);
	r.rate = rate_begin(r.total, parallel, clock_now_ns());
	while ((r.more || r.running) && !status)
		status = take_turn(&r);
	if (r.list && r.fds)
		end_all(&r);
	else
		tool_error(NULL, "%s", strerror(ENOMEM));
	free(r.list);
	free(r.fds);
	return status;
}

int run_recording(const struct plan *p, const struct group *g)
{
	struct child_command command;
	struct running r = { 0 };

	child_command_make(&command, g->ref, g->option, "demand", &p->child);
	child_command_add(&command, "--record", g->file);
	if (start_child(&r, command.argv, false))
		return -1;
	return hear(&r) || finish_child(g, &r) ? -1 : 0;
}
