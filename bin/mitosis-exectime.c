// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * mitosis-exectime - measures execution against the working set, phase by phase.
 *
 * A process touches its working set: for the first time (cold), again (warm), in a forked child of
 * it (fork), in the parent after it was prepared (cow), in a resumed child (child) and there once
 * more (child2). Every byte read is compared with what the parent wrote. With --access write the
 * parent writes other values after prepare, so a snapshot that changed would be noticed. The parent can
 * also be on another host: --serve there, its references as arguments here.
 *
 * Engine criu is the baseline: the parent is saved to images, and the child is restored from them.
 *
 * With --parallel nothing is forked while it is measured: processes that have their memory execute again
 * and again, at the same time. That is the peak which starting children can only come near to.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "children.h"
#include "clock.h"
#include "library.h"
#include "measure/criu.h"
#include "measure/listen.h"
#include "measure/measure.h"
#include "measure/rate.h"
#include "mitosis.h"
#include "progress.h"
#include "tool.h"
#include "units.h"
#include "wss.h"

enum { C_ENGINE, C_PHASE, C_WSS, C_TOUCH, C_PATTERN, C_ACCESS, C_WINDOW, C_PUSH, C_ITER, C_EXEC, C_FAULTS,
       C_FETCHED_PAGES, C_FETCHED_BYTES, C_PARALLEL, C_EXECS_PER_S, C_RESUME };
static const struct record_column columns[] = {
	[C_ENGINE]  = { "engine", RECORD_STRING, "user, kernel: how the snapshot's pages reach the child; criu: it is restored from images" },
	[C_PHASE]   = { "phase", RECORD_STRING, "cold, warm, fork, cow, child, child2" },
	[C_WSS]     = { "wss", RECORD_SIZE, "working set, bytes" },
	[C_TOUCH]   = { "touch", RECORD_UINT, "share of it that is touched, percent" },
	[C_PATTERN] = { "pattern", RECORD_STRING, "order of the pages: seq or random" },
	[C_ACCESS]  = { "access", RECORD_STRING, "read or write (read and write back)" },
	[C_WINDOW]  = { "window", RECORD_UINT, "pages fetched per fault in a resumed child" },
	[C_PUSH]    = { "push", RECORD_UINT, "1: the background fetches too" },
	[C_ITER]    = { "iter", RECORD_UINT, "iteration, from 0" },
	[C_EXEC]    = { "exec_ns", RECORD_NS, "time of the phase; with --each, of one access" },
	[C_FAULTS]  = { "faults", RECORD_UINT, "page faults in it: of the kernel, in a resumed child those that the pager served" },
	[C_FETCHED_PAGES] = { "fetched_pages", RECORD_UINT, "pages that came from the parent's host in it" },
	[C_FETCHED_BYTES] = { "fetched_bytes", RECORD_SIZE, "the same in bytes" },
	[C_PARALLEL] = { "parallel", RECORD_UINT, "--parallel: processes that execute at the same time" },
	[C_EXECS_PER_S] = { "execs_per_s", RECORD_DOUBLE, "--parallel: executions that ended per second in the stretch that this one completes" },
	[C_RESUME] = { "resume_ns", RECORD_NS, "child: before exec of mitosis-child, or of criu, to its first instruction after prepare" },
};

enum phase { PHASE_COLD, PHASE_WARM, PHASE_FORK, PHASE_COW, PHASE_CHILD, PHASE_CHILD2, PHASES };
static const char *const phase_names[] = { "cold", "warm", "fork", "cow", "child", "child2", NULL };

struct work {
	uint64_t wss, touch;
	uint32_t random, write;
	uint64_t each;			/* time every page, without comparing it meanwhile */
};

/* What a phase tells; a child's parent may be another build on another host. */
#define RESULT_MAGIC 0x33656d6974636578ULL
struct result {
	uint64_t magic;
	struct work work;
	uint64_t phase, exec_ns, faults, fetched_pages;
	uint64_t first_ns;		/* when it began to run, for the first result of a child */
	uint64_t ended_ns;		/* when the phase was over */
	uint64_t times;			/* of pages, 64 bits each, that follow in nanoseconds */
	uint64_t *each;			/* they, where they were taken */
	uint64_t wrong;			/* address of a wrong word, or 0 */
};

struct plan {
	uint64_t *wss, *touch, *parallel;
	size_t wss_count, touch_count, parallel_count;
	uint64_t parallel_now;		/* 0: without --parallel */
	double per_s;
	uint64_t started_ns;		/* of the child whose results are taken */
	bool seq, random, read, write, user, kernel, criu, phases[PHASES];
	const char *listen, *images;
	uint64_t count, window;
	bool push, each, no_demand;	/* the last: engine user cannot have children here */
	char *const *child_options;
	struct record_stream *out;
	uint64_t done;
};

static uint64_t minor_faults(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (uint64_t)u.ru_minflt;
}

/*
 * One access to each of the pages, timed. The times get memory of their own that is there already, and
 * the bytes are compared afterwards, so that a fault is all that is measured.
 */
static uint64_t *touch_each(const struct wss *w, const struct work *k, uint64_t n)
{
	uint64_t *times = mmap(NULL, (n + 1) * sizeof(*times), PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	uint64_t before, now;

	if (times == MAP_FAILED)
		_exit(STATUS_FAILED);
	before = clock_now_ns();
	for (uint64_t i = 0; i < n; i++) {
		volatile uint64_t *word = w->base + (k->random ? wss_permute(i, w->pages) : i) * 512;

		if (k->write)
			*word = *word;
		else
			(void)*word;
		now = clock_now_ns();
		times[i] = now - before;
		before = now;
	}
	return times;
}

/* One pass over the touched pages; written back are the same values, or those of another seed. */
static struct result pass(struct wss *w, const struct work *k, enum phase phase, uint64_t seed)
{
	uint64_t n = w->pages * k->touch / 100, faults = minor_faults(), start = clock_now_ns();
	struct result r = { .magic = RESULT_MAGIC, .work = *k, .phase = phase };

	if (k->each) {
		r.each = touch_each(w, k, n);
		r.times = n;
		r.exec_ns = clock_now_ns() - start;
		r.faults = minor_faults() - faults;
	}
	for (uint64_t i = 0; i < n; i++) {
		uint64_t page = k->random ? wss_permute(i, w->pages) : i;

		if (phase != PHASE_COLD && !r.wrong)
			r.wrong = (uint64_t)(uintptr_t)wss_check_page(w, page);
		if (phase == PHASE_COLD || k->write)
			wss_fill_page(w, page, seed);
	}
	if (!k->each) {
		r.exec_ns = clock_now_ns() - start;
		r.faults = minor_faults() - faults;
	}
	r.ended_ns = start + r.exec_ns;
	return r;
}

static struct mitosis_child_stats child_stats(void)
{
	struct mitosis_child_stats s = { .size = sizeof(s) };
	int err = mitosis_stats(&s);

	if (err) {
		library_failed("child", err);
		_exit(STATUS_FAILED);
	}
	return s;
}

static struct result child_pass(struct wss *w, const struct work *k, enum phase phase)
{
	struct mitosis_child_stats before = child_stats(), after;
	struct result r = pass(w, k, phase, w->seed);

	after = child_stats();
	r.faults = after.faults - before.faults;
	r.fetched_pages = after.fetched_pages - before.fetched_pages;
	return r;
}

static void tell(int fd, const struct result *r)
{
	if (write_exactly(fd, r, sizeof(*r)) || write_exactly(fd, r->each, r->times * sizeof(*r->each)))
		_exit(STATUS_FAILED);
	if (r->each)
		munmap(r->each, (r->times + 1) * sizeof(*r->each));
}

struct life {
	struct work work;
	const char *engine, *listen;
	bool criu;			/* instead of an engine */
	bool fork;			/* let a forked child run too */
	uint64_t count;			/* without forking: executions */
};

/* The life of the parent, and of each child from prepare on. */
static void live(const void *data, int report, int until)
{
	const struct life *l = data;
	const struct work *k = &l->work;
	char ref[MITOSIS_REF_MAX] = "";
	struct wss w = { .seed = 42 };
	struct result r;

	w.pages = (k->wss + 4095) / 4096;
	w.bytes = w.pages * 4096;
	w.base = mmap(NULL, w.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (w.base == MAP_FAILED) {
		tool_error("working set", "%s", strerror(errno));
		_exit(STATUS_FAILED);
	}
	madvise(w.base, w.bytes, MADV_NOHUGEPAGE);
	r = pass(&w, k, PHASE_COLD, w.seed);
	tell(report, &r);
	for (uint64_t page = 0; page < w.pages; page++)
		wss_fill_page(&w, page, w.seed);
	r = pass(&w, k, PHASE_WARM, w.seed);
	tell(report, &r);

	if (l->fork) {
		pid_t pid = fork();
		int status;

		if (!pid) {
			r = pass(&w, k, PHASE_FORK, w.seed);
			tell(report, &r);
			_exit(0);
		}
		if (pid < 0 || waitpid(pid, &status, 0) < 0 || status)
			_exit(STATUS_FAILED);
		/* Take the pages back, so that prepare starts from memory of its own. */
		for (uint64_t page = 0; page < w.pages; page++)
			wss_fill_page(&w, page, w.seed);
	}
	if (l->criu)
		criu_wait(report, until);
	if (l->criu || parent_prepare(l->engine, l->listen, ref)) {
		uint64_t first = clock_now_ns();

		/* A process that CRIU restored has nothing but the kernel's faults. */
		r = l->criu ? pass(&w, k, PHASE_CHILD, w.seed) : child_pass(&w, k, PHASE_CHILD);
		r.first_ns = first + (l->criu ? criu_clock_offset() : 0);
		tell(1, &r);
		r = l->criu ? pass(&w, k, PHASE_CHILD2, w.seed) : child_pass(&w, k, PHASE_CHILD2);
		tell(1, &r);
		_exit(0);
	}
	r = pass(&w, k, PHASE_COW, w.seed + 1);
	tell(report, &r);
	if (write_exactly(report, ref, sizeof(ref)))
		_exit(STATUS_FAILED);
	parent_wait(until);
}

static void emit(struct plan *p, const char *engine, uint64_t iter, const struct result *r, uint64_t exec_ns)
{
	const struct work *k = &r->work;

	record_begin(p->out);
	record_string(p->out, C_ENGINE, p->parallel_now ? NULL : engine);
	record_string(p->out, C_PHASE, phase_names[r->phase]);
	record_uint(p->out, C_WSS, k->wss);
	record_uint(p->out, C_TOUCH, k->touch);
	record_string(p->out, C_PATTERN, k->random ? "random" : "seq");
	record_string(p->out, C_ACCESS, k->write ? "write" : "read");
	if (p->parallel_now) {
		record_uint(p->out, C_PARALLEL, p->parallel_now);
		record_double(p->out, C_EXECS_PER_S, p->per_s);
	} else {
		if (strcmp(engine, "criu")) {
			record_uint(p->out, C_WINDOW, p->window);
			record_uint(p->out, C_PUSH, p->push);
		}
	}
	record_uint(p->out, C_ITER, iter);
	record_uint(p->out, C_EXEC, exec_ns);
	if (!r->times) {
		record_uint(p->out, C_FAULTS, r->faults);
		if (r->first_ns)
			record_uint(p->out, C_RESUME, r->first_ns - p->started_ns);
		if ((r->phase == PHASE_CHILD || r->phase == PHASE_CHILD2) && strcmp(engine, "criu")) {
			record_uint(p->out, C_FETCHED_PAGES, r->fetched_pages);
			record_uint(p->out, C_FETCHED_BYTES, r->fetched_pages * 4096);
		}
	}
	record_end(p->out);
}

/* 0, 1 if there is none, or -1 after a message. */
static int read_result(int fd, struct result *r)
{
	if (read_exactly(fd, r, sizeof(*r)))
		return 1;
	if (r->magic != RESULT_MAGIC || r->phase >= PHASES) {
		tool_error("mitosis-child", "the parent is no mitosis-exectime --serve of this version");
		return -1;
	}
	if (!r->wrong)
		return 0;
	tool_error(phase_names[r->phase], "wrong byte at 0x%llx: it is not what the parent wrote",
		   (unsigned long long)r->wrong);
	return -1;
}

/* Read the next result; its records, unless p is NULL. 0, 1 if there is none, or -1 after a message. */
static int take(struct plan *p, const char *engine, uint64_t iter, int fd)
{
	struct result r;
	int err = read_result(fd, &r);
	bool wanted;

	if (err)
		return err;
	wanted = p && p->phases[r.phase];
	for (uint64_t i = 0; i < r.times; i++) {
		uint64_t ns;

		if (read_exactly(fd, &ns, sizeof(ns)))
			return 1;
		if (wanted)
			emit(p, engine, iter, &r, ns);
	}
	if (wanted && !r.work.each)
		emit(p, engine, iter, &r, r.exec_ns);
	return wanted ? record_error(p->out) : 0;
}

/* To its end. place: what it was restored from, or NULL. */
static int hear_child(struct plan *p, const char *engine, uint64_t iter, struct child *c,
		      const struct criu_place *place)
{
	const char *program = place ? "criu restore" : "mitosis-child";
	int err = 0, status;

	p->started_ns = c->started_ns;
	for (int i = 0; i < 2 && !err; i++)
		err = take(p, engine, iter, c->out);
	status = child_finish(c);
	if (status && place)
		criu_restore_failed(place);
	else if (status)
		tool_error(program, "child ended with status %d", status);
	else if (err > 0)
		tool_error(program, "child ended without its results");
	return err || status ? -1 : 0;
}

/* option: the engine for mitosis-child; NULL: what the reference says */
static int run_child(struct plan *p, const char *engine, const char *option, uint64_t iter, char *ref)
{
	char *argv[24] = { (char *)sibling_path("mitosis-child"), (char *)"--quiet" };
	struct child c;
	int argc = 2;

	if (option) {
		argv[argc++] = (char *)"--engine";
		argv[argc++] = (char *)option;
	}
	for (char *const *o = p->child_options; *o && argc < 22; o++)
		argv[argc++] = *o;
	argv[argc] = ref;
	if (child_start(&c, argv)) {
		tool_error(argv[0], "%s", strerror(errno));
		return -1;
	}
	return hear_child(p, engine, iter, &c, NULL);
}

/* The phases of a parent up to its reference; with records unless p is NULL. */
static int hear(struct plan *p, const struct life *life, const struct parent *parent, uint64_t iter,
		char ref[MITOSIS_REF_MAX])
{
	/* cow is of engines that leave the parent running. */
	int phases = 2 + life->fork + !life->criu, err = 0;

	for (int i = 0; i < phases && !err; i++)
		err = take(p, life->engine, iter, parent->report);
	return err ? err : read_exactly(parent->report, ref, MITOSIS_REF_MAX);
}

/* Save the parent, and restore it as its own child. */
static int run_restored(struct plan *p, const struct life *life, const struct parent *parent, uint64_t iter)
{
	struct criu_place place;
	struct child c;
	uint64_t dump_ns;
	int err;

	if (criu_place_make(&place, p->images, NULL, life->work.wss))
		return -1;
	err = criu_dump(&place, parent->pid, false, &dump_ns);
	if (!err)
		err = criu_restore(&place, parent, &c);
	if (!err)
		err = hear_child(p, life->engine, iter, &c, &place);
	criu_place_remove(&place);
	return err;
}

static int run_one(struct plan *p, const struct life *life, uint64_t iter)
{
	struct parent parent;
	char ref[MITOSIS_REF_MAX];
	int err;

	if (parent_start(&parent, live, life))
		return -1;
	err = hear(p, life, &parent, iter, ref);
	if (!err && (p->phases[PHASE_CHILD] || p->phases[PHASE_CHILD2]))
		err = life->criu ? run_restored(p, life, &parent, iter) : run_child(p, life->engine, NULL, iter, ref);
	parent_end(&parent);
	progress_update(++p->done);
	return err;
}

/* Number i of all combinations that were asked for; false behind the last. */
static bool combination(const struct plan *p, size_t i, struct life *life)
{
	static const char *const engines[] = { "user", "kernel", "criu" };
	const bool wanted[] = { p->user, p->kernel, p->criu };

	for (size_t w = 0; w < p->wss_count; w++) {
		for (size_t t = 0; t < p->touch_count; t++) {
			for (int variant = 0; variant < 12; variant++) {
				*life = (struct life){
					.work = {
						.wss = p->wss[w], .touch = p->touch[t],
						.random = variant / 3 & 1, .write = variant >= 6, .each = p->each,
					},
					.engine = engines[variant % 3], .criu = variant % 3 == 2, .listen = p->listen,
					.fork = p->phases[PHASE_FORK],
				};
				if (wanted[variant % 3] && (life->work.random ? p->random : p->seq) &&
				    (life->work.write ? p->write : p->read) && !i--)
					return true;
			}
		}
	}
	return false;
}

static int run(struct plan *p)
{
	struct life life;
	size_t n = 0;
	int err = 0;

	while (combination(p, n, &life))
		n++;
	progress_start("exectime", p->count * n);
	for (size_t i = 0; combination(p, i, &life) && !err; i++)
		for (uint64_t k = 0; k < p->count && !err; k++)
			err = run_one(p, &life, k);
	progress_finish();
	return err;
}

/* ---- without forking ---- */

/* A process that executes when it is told to. */
static void live_alone(const void *data, int report, int until)
{
	const struct life *l = data;
	struct wss w = { 0 };
	char c = 'r';

	if (wss_make(&w, l->work.wss, false)) {
		tool_error("working set", "%s", strerror(errno));
		_exit(STATUS_FAILED);
	}
	if (write_exactly(report, &c, 1) || read_exactly(until, &c, 1))
		_exit(STATUS_FAILED);
	for (uint64_t i = 0; i < l->count; i++) {
		struct result r = pass(&w, &l->work, PHASE_WARM, w.seed);

		tell(report, &r);
	}
	_exit(0);
}

/*
 * Each has executed so many times: their results in the order in which the executions ended. What is
 * heard of one may have waited in its pipe, so that when it is read tells nothing.
 */
static int hear_all(struct plan *p, const struct life *life, const struct parent *parents, size_t n)
{
	struct result *next = calloc(n, sizeof(*next));
	uint64_t *done = calloc(n, sizeof(*done)), total = n * life->count;
	struct rate rate = rate_begin(total, n, clock_now_ns());
	int err = next && done ? 0 : -1;

	for (size_t i = 0; i < n && !err; i++)
		err = write_exactly(parents[i].until, "g", 1);
	for (size_t i = 0; i < n && !err; i++)
		err = read_result(parents[i].report, &next[i]);
	for (uint64_t heard = 0; heard < total && !err; heard++) {
		size_t first = 0;

		for (size_t i = 1; i < n; i++)
			if (done[first] == life->count || (done[i] < life->count && next[i].ended_ns < next[first].ended_ns))
				first = i;
		p->per_s = rate_add(&rate, next[first].ended_ns);
		emit(p, NULL, done[first]++, &next[first], next[first].exec_ns);
		err = record_error(p->out);
		if (!err && done[first] < life->count)
			err = read_result(parents[first].report, &next[first]);
		progress_update(++p->done);
	}
	free(next);
	free(done);
	return err;
}

static int run_at_once(struct plan *p, const struct life *life, size_t n)
{
	struct parent *parents = calloc(n, sizeof(*parents));
	size_t started = 0;
	int err = parents ? 0 : -1;
	char c;

	while (started < n && !err) {
		err = parent_start(&parents[started], live_alone, life);
		started += !err;
	}
	for (size_t i = 0; i < started && !err; i++)
		err = read_exactly(parents[i].report, &c, 1);
	if (!err)
		err = hear_all(p, life, parents, n);
	for (size_t i = 0; i < started; i++)
		parent_end(&parents[i]);
	free(parents);
	return err;
}

static int run_alone(struct plan *p)
{
	struct life life;
	uint64_t total = 0;
	size_t n = 0;
	int err = 0;

	while (combination(p, n, &life))
		n++;
	for (size_t i = 0; i < p->parallel_count; i++)
		total += p->parallel[i] * p->count * n;
	progress_start("exectime", total);
	for (size_t i = 0; combination(p, i, &life) && !err; i++) {
		life.count = p->count;
		for (size_t k = 0; k < p->parallel_count && !err; k++) {
			p->parallel_now = p->parallel[k];
			err = run_at_once(p, &life, p->parallel[k]);
		}
	}
	progress_finish();
	return err;
}

/* Are there to be children of engine user that fetch on demand, and what of other engines? */
static bool needs_demand(const struct plan *p, char *const *refs, const char *mode, bool *others)
{
	bool user = p->user;

	*others = p->kernel || p->criu;
	for (; refs && *refs && !p->user && !p->kernel; refs++) {
		if (!strcmp(measure_engine_of(*refs), "user"))
			user = true;
		else
			*others = true;
	}
	return user && (refs || p->phases[PHASE_CHILD] || p->phases[PHASE_CHILD2]) && (!mode || !strcmp(mode, "demand"));
}

/* Children of parents on other hosts: by the engines asked for, in turns, or as the reference says. */
static int run_references(struct plan *p, char **refs)
{
	int err = 0, engines = (p->user ? 1 : 0) + (p->kernel ? 1 : 0);
	size_t n = 0;

	while (refs[n])
		n++;
	progress_start("exectime", p->count * n * (engines ? (uint64_t)engines : 1));
	for (; *refs && !err; refs++) {
		for (uint64_t k = 0; k < p->count && !err; k++) {
			if (!engines && !(p->no_demand && !strcmp(measure_engine_of(*refs), "user")))
				err = run_child(p, measure_engine_of(*refs), NULL, k, *refs);
			if (p->user && !err)
				err = run_child(p, "user", "user", k, *refs);
			if (p->kernel && !err)
				err = run_child(p, "kernel", "kernel", k, *refs);
			p->done += engines ? (uint64_t)engines : 1;
			progress_update(p->done);
		}
	}
	progress_finish();
	return err;
}

/* Parents for other hosts: one reference a line, until a signal ends it. */
static int serve(const struct plan *p)
{
	struct parent *parents;
	char ref[MITOSIS_REF_MAX];
	size_t n = 0, most = 0;
	struct life life;
	int err = 0;

	while (combination(p, most, &life))
		most++;
	parents = calloc(most, sizeof(*parents));
	if (!parents)
		return -1;
	while (!err && combination(p, n, &life)) {
		life.fork = false;
		if (parent_start(&parents[n], live, &life)) {
			err = -1;
			break;
		}
		n++;
		err = hear(NULL, &life, &parents[n - 1], 0, ref);
		if (!err)
			err = measure_print_reference(ref);
	}
	if (!err)
		err = parents_serve(parents, n);
	while (n)
		parent_end(&parents[--n]);
	free(parents);
	return err;
}

int main(int argc, char **argv)
{
	static const struct tool_info info = {
		.synopsis = "[OPTION...] [REF...|-]",
		.summary = "Measure execution against the working set, phase by phase. One record per phase and iteration;\n"
			   "every byte that is read is compared with what the parent wrote.",
		.columns = columns, .ncolumns = sizeof(columns) / sizeof(columns[0]),
		.examples = "  mitosis-exectime --wss 64M | mitosis-stats --columns exec_ns --baseline phase=fork\n"
			    "  mitosis-exectime --wss 16M --touch 0..100:20 --no-push --pattern random | mitosis-stats\n"
			    "  mitosis-exectime --each --pattern random --phase fork,child --no-push | mitosis-stats --columns exec_ns\n"
			    "  mitosis-exectime --parallel 1,2,4 --count 100 | mitosis-stats --by parallel --columns execs_per_s\n"
			    "  node1$ mitosis-exectime --serve --listen 10.0.0.1 --touch 10,100 >refs\n"
			    "  node2$ mitosis-exectime --engine user,kernel $(cat refs) | mitosis-stats --columns exec_ns\n",
		.exit_status = "  0; 1 failed, or a byte was wrong; 2 wrong usage; 77 what was asked for cannot run here\n",
	};
	static const char *const pattern_names[] = { "seq", "random", NULL }, *const access_names[] = { "read", "write", NULL };
	static const char *const engine_names[] = { "user", "kernel", "criu", NULL };
	struct plan p = { .count = 5, .window = 32, .push = true };
	bool *const pattern_flags[] = { &p.seq, &p.random }, *const access_flags[] = { &p.read, &p.write };
	bool *const engine_flags[] = { &p.user, &p.kernel, &p.criu };
	bool *const phase_flags[] = { &p.phases[0], &p.phases[1], &p.phases[2], &p.phases[3], &p.phases[4], &p.phases[5] };
	char *wss = NULL, *touch = NULL, *pattern = NULL, *access = NULL, *phase = NULL, *count = NULL;
	char *window = NULL, *mode = NULL, *engine = NULL, *listen = NULL, *parallel = NULL, *images = NULL, window_text[24], *child_options[12] = { NULL };
	char **refs = NULL;
	int push = 0, no_push = 0, private = 0, poll = 0, serving = 0, each = 0, json = 0, opt, status = STATUS_USAGE;
	bool others;
	size_t n = 0;
	struct poptOption options[] = {
		{ "wss", 's', POPT_ARG_STRING, &wss, 0, "working sets: list and doubling ranges (default 64M)", "SIZE[,SIZE...]" },
		{ "touch", 't', POPT_ARG_STRING, &touch, 0, "share that is touched, 0 to 100 (default 100; 0..100:10 steps by ten)", "PERCENT[,PERCENT...]" },
		{ "pattern", '\0', POPT_ARG_STRING, &pattern, 0, "seq, random (default seq)", "PATTERN[,PATTERN]" },
		{ "access", 'a', POPT_ARG_STRING, &access, 0, "read, write (default read)", "ACCESS[,ACCESS]" },
		{ "each", '\0', POPT_ARG_NONE, &each, 0, "a record for every page, with the time of one access to it: what a fault costs", NULL },
		{ "phase", '\0', POPT_ARG_STRING, &phase, 0, "cold,warm,fork,cow,child,child2 (default all)", "PHASE[,PHASE...]" },
		{ "count", 'n', POPT_ARG_STRING, &count, 0, "iterations per combination (default 5)", "N" },
		{ "engine", 'e', POPT_ARG_STRING, &engine, 0, "user, kernel; criu: a child by criu restore (default user; of a REF: what it says)", "ENGINE[,ENGINE...]" },
		{ "window", 'w', POPT_ARG_STRING, &window, 0, "pages fetched per fault (default 32)", "PAGES" },
		{ "mode", 'm', POPT_ARG_STRING, &mode, 0, "how the child's memory comes: demand or eager (default demand)", "MODE" },
		{ "parallel", 'p', POPT_ARG_STRING, &parallel, 0, "phase warm in so many processes at once, without forking: --count times in each", "N[,N...]" },
		{ "push", '\0', POPT_ARG_NONE, &push, 0, "the background fetches too (default)", NULL },
		{ "no-push", '\0', POPT_ARG_NONE, &no_push, 0, "fetch on faults only", NULL },
		{ "private", '\0', POPT_ARG_NONE, &private, 0, "engine kernel: siblings share no page", NULL },
		{ "poll", '\0', POPT_ARG_NONE, &poll, 0, "engine kernel: a thread that waits for a page spins", NULL },
		{ "images", '\0', POPT_ARG_STRING, &images, 0, "engine criu: where its images lie (default /dev/shm, in memory)", "DIR" },
		{ "serve", '\0', POPT_ARG_NONE, &serving, 0, "be the parent: print a reference per combination, until a signal", NULL },
		{ "listen", 'l', POPT_ARG_STRING, &listen, 0, "where children find the parent (default: this host only)", "ADDRESS[:PORT]" },
		{ "json", 'j', POPT_ARG_NONE, &json, 0, "write JSON Lines", NULL },
		TOOL_HEADER_OPTION,
		TOOL_COMMON_OPTIONS,
		POPT_TABLEEND
	};
	const char **given;
	poptContext con;

	tool_init("mitosis-exectime");
	con = tool_context(argc, argv, options, 0, &info);
	opt = tool_next(con);
	if (opt != TOOL_END)
		goto out;
	given = poptGetArgs(con);
	if (given && (serving || wss || touch || pattern || access || each || listen)) {
		tool_usage_error("REF", "a reference goes with children of it only: no --serve, --wss, --touch, --pattern, "
				 "--access, --each or --listen");
		goto out;
	}
	refs = given ? measure_references(given, argc, argv, &status) : NULL;
	if (given && !refs)
		goto out;
	if (parallel && (given || serving || listen || engine || phase || window || mode || push || no_push || private || poll || each)) {
		tool_usage_error("--parallel", "measures processes that are not forked: only --wss, --touch, --pattern, --access, --count go with it");
		goto out;
	}
	if (push && no_push) {
		tool_usage_error("--push", "contradicts --no-push");
		goto out;
	}
	if (mode && strcmp(mode, "demand") && strcmp(mode, "eager")) {
		tool_usage_error("--mode", "%s: neither demand nor eager", mode);
		goto out;
	}
	if (tool_arg_sizes("--wss", wss ? wss : "64M", &p.wss, &p.wss_count) ||
	    tool_arg_uints("--touch", touch ? touch : "100", 0, 100, &p.touch, &p.touch_count) ||
	    (count && tool_arg_uint("--count", count, 1, 1000000, &p.count)) ||
	    (parallel && tool_arg_uints("--parallel", parallel, 1, 1024, &p.parallel, &p.parallel_count)) ||
	    (window && tool_arg_uint("--window", window, 0, 1024, &p.window)) ||
	    (engine && tool_arg_words("--engine", engine, engine_names, engine_flags)) ||
	    tool_arg_words("--pattern", pattern ? pattern : "seq", pattern_names, pattern_flags) ||
	    tool_arg_words("--access", access ? access : "read", access_names, access_flags) ||
	    tool_arg_words("--phase", phase ? phase : "cold,warm,fork,cow,child,child2", phase_names, phase_flags))
		goto out;
	if (measure_is_nothing(p.wss, p.wss_count))
		goto out;
	if (each && !refs && p.touch_count == 1 && !p.touch[0]) {
		tool_usage_error("--each", "with --touch 0 there is no access to time");
		goto out;
	}
	if (p.criu && (refs || serving)) {
		tool_usage_error("--engine", "criu: on one host only, with a parent of this tool's own");
		goto out;
	}
	if (images && !p.criu) {
		tool_usage_error("--images", "goes with engine criu");
		goto out;
	}
	if (!engine && !refs)
		p.user = true;
	p.images = images;
	p.listen = listen;
	p.each = each;
	p.push = !no_push;
	snprintf(window_text, sizeof(window_text), "%llu", (unsigned long long)p.window);
	child_options[n++] = (char *)"--window";
	child_options[n++] = window_text;
	child_options[n++] = (char *)"--mode";
	child_options[n++] = mode ? mode : (char *)"demand";
	if (no_push)
		child_options[n++] = (char *)"--no-push";
	if (private)
		child_options[n++] = (char *)"--private";
	if (poll)
		child_options[n++] = (char *)"--poll";
	p.child_options = child_options;
	mitosis_set_logger(library_log, NULL);
	signal(SIGPIPE, SIG_IGN);
	status = listen_check(listen);
	if (status)
		goto out;
	if (p.kernel && !measure_has_kernel(p.user || p.criu)) {
		p.kernel = false;
		status = STATUS_SKIP;
		if (!p.user && !p.criu)
			goto out;
	}
	if (p.criu && !measure_has_criu()) {
		p.criu = false;
		status = STATUS_SKIP;
		if (!p.user && !p.kernel)
			goto out;
	}
	if (!serving && !parallel && needs_demand(&p, refs, mode, &others) && !measure_has_demand(others)) {
		p.no_demand = true;
		p.user = false;
		status = STATUS_SKIP;
		if (!others)
			goto out;
	}
	status = STATUS_FAILED;
	if (serving) {
		if (!serve(&p))
			status = STATUS_OK;
		goto out;
	}
	if (!record_open(&p.out, stdout, json ? RECORD_JSON : RECORD_AUTO, columns, info.ncolumns,
			 parallel ? NULL : engine ? engine : refs ? measure_engine_of(refs[0]) : "user", argc, argv) &&
	    !(parallel ? run_alone(&p) : refs ? run_references(&p, refs) : run(&p))) {
		/* With --each, a share of less than a page gives no record. */
		record_header(p.out);
		status = STATUS_OK;
	}
	if (record_close(p.out))
		status = STATUS_FAILED;
out:
	free(p.wss);
	free(p.touch);
	free(p.parallel);
	measure_references_free(refs);
	poptFreeContext(con);
	return status;
}
