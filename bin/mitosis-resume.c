// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * mitosis-resume - measures how fast children start, and how soon they have touched their memory.
 *
 * For each working set a parent process is made and prepared; then children of its snapshot are
 * started, one after the other or several at a time. A child's first instruction after prepare reads
 * the clock, which its host shares with this tool; then it touches a share of its pages and reads the
 * clock again. The parent can also be on another host: --serve there, its references as arguments here.
 *
 * With --rate children are due at times of their own, whether or not earlier ones have ended, and their
 * times count from there: a child that had to wait for its turn is slow, as its user would find it. With
 * --hold children stay until all that run at a time have touched their pages, and their memory is noted.
 *
 * Engine criu is the baseline: the parent is saved to images, and each child is restored from them.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

enum { C_ENGINE, C_WSS, C_MODE, C_PARALLEL, C_ITER, C_RESUME, C_LIFE, C_REPLAY, C_TOUCH, C_TOUCHED,
       C_CHILDREN_PER_S, C_STEP, C_RATE, C_AT, C_PSS, C_COPY, C_IMAGE };
static const struct record_column columns[] = {
	[C_ENGINE]   = { "engine", RECORD_STRING, "user, kernel: a child of a snapshot; local: a forked child; criu: a restored process; exec: fork, exec and exit of /bin/true" },
	[C_WSS]      = { "wss", RECORD_SIZE, "working set of the parent, bytes" },
	[C_MODE]     = { "mode", RECORD_STRING, "demand or eager; of engine local fork, of exec exec" },
	[C_PARALLEL] = { "parallel", RECORD_UINT, "children started at a time" },
	[C_ITER]     = { "iter", RECORD_UINT, "number of the child, from 0" },
	[C_RESUME]   = { "resume_ns", RECORD_NS, "before exec of the child tool, or of criu, to the first instruction after prepare" },
	[C_LIFE]     = { "life_ns", RECORD_NS, "before exec to the end of the child, reaped" },
	[C_REPLAY]   = { "replay", RECORD_UINT, "1: the pages that an earlier child touched were fetched first" },
	[C_TOUCH]    = { "touch", RECORD_UINT, "share of the working set that the child reads, percent" },
	[C_TOUCHED]  = { "touched_ns", RECORD_NS, "before exec to the last of these pages" },
	[C_CHILDREN_PER_S] = { "children_per_s", RECORD_DOUBLE, "ended per second in the stretch that this child completes, which is of --parallel at least" },
	[C_STEP]     = { "step", RECORD_UINT, "--rate: number of the step, from 0" },
	[C_RATE]     = { "rate", RECORD_UINT, "--rate: children that come per second in it" },
	[C_AT]       = { "at_ns", RECORD_NS, "when it was started, or was due (--rate), from the first" },
	[C_PSS]      = { "pss_bytes", RECORD_SIZE, "--hold: memory of child and mitosis-child, what is shared divided by those who share it" },
	[C_COPY]     = { "copy_ns", RECORD_NS, "--copy-to: time to copy the images, before the other times begin" },
	[C_IMAGE]    = { "image_bytes", RECORD_SIZE, "--copy-to: what was copied" },
};

/* Children that come at a rate, for so long or so many. */
struct step {
	uint64_t rate, duration_ns, count;
};

struct plan {
	uint64_t *wss, *parallel;
	size_t wss_count, parallel_count;
	uint64_t count, warmup, touch;
	bool user, kernel, local, criu, exec, demand, eager, replay, hold;
	bool user_demand;		/* on demand with engine user too */
	struct step *steps;
	size_t step_count;
	const char *listen, *images, *copy_to;
	char *const *child_options;
	struct record_stream *out;
	uint64_t done, total;
};

/* What a child says before it ends; the parent may be another build on another host. */
#define REPORT_MAGIC 0x32656d7573657274ULL
struct report {
	uint64_t magic, wss, touch, first_ns, touched_ns;
	uint64_t wrong;			/* address of a wrong word, or 0 */
	uint64_t pid;
};

struct life {
	const char *engine, *listen;
	uint64_t wss, touch;
	bool criu;			/* instead of an engine */
};

/* In the child: the same pages in the same order each time. */
static void touch_pages(const struct wss *w, struct report *r)
{
	uint64_t n = w->pages * r->touch / 100;

	for (uint64_t i = 0; i < n && !r->wrong; i++)
		r->wrong = (uint64_t)(uintptr_t)wss_check_page(w, wss_permute(i, w->pages));
	r->touched_ns = clock_now_ns();
}

/* The parent's life, and a child's: it begins where mitosis_prepare() returns 1. */
static void live(const void *data, int report, int until)
{
	const struct life *l = data;
	struct report r = { .magic = REPORT_MAGIC, .wss = l->wss, .touch = l->touch };
	char ref[MITOSIS_REF_MAX] = "";
	struct wss w = { 0 };

	if (l->wss && wss_make(&w, l->wss, false)) {
		tool_error("working set", "%s", strerror(errno));
		_exit(STATUS_FAILED);
	}
	if (l->criu)
		criu_wait(report, until);
	if (l->criu || parent_prepare(l->engine, l->listen, ref)) {
		r.first_ns = clock_now_ns();
		uint64_t offset;
		char c;

		if (r.touch)
			touch_pages(&w, &r);
		offset = l->criu ? criu_clock_offset() : 0;
		r.first_ns += offset;
		if (r.touched_ns)
			r.touched_ns += offset;
		r.pid = (uint64_t)getpid();
		if (write_exactly(1, &r, sizeof(r)))
			_exit(STATUS_FAILED);
		/* It stays until its input ends, which it does at once unless it is held. */
		while (read(0, &c, 1) < 0 && errno == EINTR)
			;
		_exit(0);
	}
	if (write_exactly(report, ref, sizeof(ref)))
		_exit(STATUS_FAILED);
	parent_wait(until);
}

static int make_parent(struct parent *p, const struct life *life, char ref[MITOSIS_REF_MAX])
{
	if (parent_start(p, live, life))
		return -1;
	if (!read_exactly(p->report, ref, MITOSIS_REF_MAX))
		return 0;
	parent_end(p);
	return -1;
}

struct sample {
	uint64_t resume_ns, life_ns, touched_ns, touch, pss, at_ns, step, rate, copy_ns, image_bytes;
	double per_s;
	bool replay;
};

static void emit(struct plan *p, const char *engine, uint64_t wss, const char *mode, uint64_t parallel,
		 uint64_t iter, const struct sample *s)
{
	if (iter >= p->warmup) {
		p->done++;
		record_begin(p->out);
		record_string(p->out, C_ENGINE, engine);
		record_uint(p->out, C_WSS, wss);
		record_string(p->out, C_MODE, mode);
		record_uint(p->out, C_PARALLEL, parallel);
		record_uint(p->out, C_ITER, iter - p->warmup);
		if (s->resume_ns)
			record_uint(p->out, C_RESUME, s->resume_ns);
		record_uint(p->out, C_LIFE, s->life_ns);
		record_uint(p->out, C_REPLAY, s->replay);
		record_uint(p->out, C_TOUCH, s->touch);
		if (s->touched_ns)
			record_uint(p->out, C_TOUCHED, s->touched_ns);
		record_double(p->out, C_CHILDREN_PER_S, s->per_s);
		if (p->step_count) {
			record_uint(p->out, C_STEP, s->step);
			record_uint(p->out, C_RATE, s->rate);
		}
		record_uint(p->out, C_AT, s->at_ns);
		if (s->pss)
			record_uint(p->out, C_PSS, s->pss);
		if (s->copy_ns) {
			record_uint(p->out, C_COPY, s->copy_ns);
			record_uint(p->out, C_IMAGE, s->image_bytes);
		}
		record_end(p->out);
	}
	progress_update(p->done);
}

/* Children of one snapshot: a run of them for each mode and number at a time. */
struct group {
	const char *engine;		/* for the records */
	const char *option;		/* for mitosis-child; NULL: what the reference says */
	char *ref;
	const char *file;		/* with a working set */
	char path[48];
	int record_fd;
	const struct criu_place *place;	/* engine criu: the images, of this parent */
	const struct parent *parent;
};

#define ARGV_MAX 24

static void child_argv(const struct plan *p, const struct group *g, const char *mode, const char *option,
		       char *argv[ARGV_MAX])
{
	int argc = 0;

	argv[argc++] = (char *)sibling_path("mitosis-child");
	argv[argc++] = (char *)"--quiet";
	argv[argc++] = (char *)"--mode";
	argv[argc++] = (char *)mode;
	if (g->option) {
		argv[argc++] = (char *)"--engine";
		argv[argc++] = (char *)g->option;
	}
	if (option) {
		argv[argc++] = (char *)option;
		argv[argc++] = (char *)g->file;
	}
	for (char *const *o = p->child_options; *o && argc < ARGV_MAX - 2; o++)
		argv[argc++] = *o;
	argv[argc++] = g->ref;
	argv[argc] = NULL;
}

/* What a child has to say; the parent may be another build. */
static int read_report(struct child *c, struct report *r)
{
	*r = (struct report){ 0 };
	if (child_read(c, r, sizeof(*r)))
		return 0;		/* it has ended: why, its status tells */
	if (r->magic == REPORT_MAGIC)
		return 0;
	tool_error("mitosis-child", "the parent is no mitosis-resume --serve of this version");
	return -1;
}

/* A child that has reported, or should have. */
static int finish_child(const struct group *g, struct child *c, const struct report *r)
{
	int ended = child_finish(c);

	if (g->place && ended) {
		criu_restore_failed(g->place);
		return -1;
	}
	if (!r->magic || ended) {
		tool_error(g->place ? "criu restore" : "mitosis-child", "child ended with status %d", ended);
		return -1;
	}
	if (r->wrong) {
		tool_error(g->place ? "criu restore" : "mitosis-child", "wrong byte at 0x%llx: it is not what the parent wrote",
			   (unsigned long long)r->wrong);
		return -1;
	}
	return 0;
}

/* ---- when children come ---- */

/* Arrivals of independent users: exponential gaps, the same ones in each run. */
struct arrivals {
	const struct step *steps;
	size_t count, step;
	uint64_t state, due_ns, step_end_ns, left;	/* times from the first */
};

static double exponential(struct arrivals *a)
{
	a->state = a->state * 6364136223846793005u + 1442695040888963407u;
	return -log((double)((a->state >> 11) + 1) / 9007199254740993.0);
}

static void begin_step(struct arrivals *a, uint64_t from_ns)
{
	const struct step *s = &a->steps[a->step];

	a->due_ns = from_ns;
	a->left = s->count;
	a->step_end_ns = s->duration_ns ? from_ns + s->duration_ns : UINT64_MAX;
}

/* The next one, or the next step's first; false behind the last. */
static bool advance(struct arrivals *a)
{
	const struct step *s = &a->steps[a->step];

	a->due_ns += (uint64_t)(exponential(a) * 1e9 / (double)s->rate);
	if (s->count ? --a->left > 0 : a->due_ns < a->step_end_ns)
		return true;
	if (++a->step == a->count)
		return false;
	begin_step(a, s->duration_ns ? a->step_end_ns : a->due_ns);
	return true;
}

/* ---- children of one snapshot ---- */

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

static int start_child(struct running *r, char *const argv[], bool hold)
{
	int in[2] = { -1, -1 }, status;

	r->hold = -1;
	r->reported = false;
	if (hold ? pipe2(in, O_CLOEXEC) : (in[0] = open("/dev/null", O_RDONLY | O_CLOEXEC)) < 0) {
		tool_error("pipe", "%s", strerror(errno));
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
	return read_report(&r->child, &r->report);
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
	char *plain[ARGV_MAX], *replaying[ARGV_MAX];
	uint64_t parallel, started, running, reported, total, finished[2], begin_ns;
	struct running *list;
	struct pollfd *fds;
	struct arrivals arrivals;
	bool more;
	struct rate rate;
};

static int start_at(struct run *r, uint64_t i)
{
	struct running *c = &r->list[i];
	bool replay = r->p->replay && r->started & 1;

	c->sample = (struct sample){ .replay = replay };
	if (r->g->place ? restore_child(c, r->g) : start_child(c, replay ? r->replaying : r->plain, r->p->hold))
		return -1;
	if (!r->started)
		r->begin_ns = c->child.started_ns;
	c->due_ns = c->child.started_ns;
	if (r->p->step_count) {
		c->due_ns = r->begin_ns + r->arrivals.due_ns;
		c->sample.step = r->arrivals.step;
		c->sample.rate = r->p->steps[r->arrivals.step].rate;
		r->more = advance(&r->arrivals);
	} else {
		r->more = r->started + 1 < r->total;
	}
	c->sample.at_ns = c->due_ns - r->begin_ns;
	r->fds[i] = (struct pollfd){ .fd = c->child.out, .events = POLLIN };
	r->started++;
	r->running++;
	return 0;
}

/* Who is due, as far as there is room. Held ones come and go together. */
static int start_due(struct run *r)
{
	if (r->p->hold && r->reported)
		return 0;
	for (uint64_t i = 0; i < r->parallel && r->more; i++) {
		if (r->fds[i].fd >= 0)
			continue;
		if (r->p->step_count && r->started && clock_now_ns() < r->begin_ns + r->arrivals.due_ns)
			break;
		if (start_at(r, i))
			return -1;
	}
	return 0;
}

/* Milliseconds until the next one is due, while there is room for it; -1: somebody has to end first. */
static int patience(const struct run *r)
{
	uint64_t now = clock_now_ns(), due = r->begin_ns + r->arrivals.due_ns;

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
	if (finish_child(r->g, &c->child, &c->report))
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
			/* Not asked again before it may go. */
			if (r->p->hold)
				r->fds[i].events = 0;
		}
		if (!r->p->hold && !status)
			status = end_at(r, i);
	}
	if (!r->p->hold || status || r->reported < r->running || (r->more && r->running < r->parallel))
		return status;
	let_go(r->list, r->parallel);
	for (uint64_t i = 0; i < r->parallel && !status; i++)
		if (r->fds[i].fd >= 0)
			status = end_at(r, i);
	r->reported = 0;
	return status;
}

/* Run one child that writes what it touches to a file. */
static int run_recording(const struct plan *p, struct group *g)
{
	char *argv[ARGV_MAX];
	struct running c;
	struct report r;

	child_argv(p, g, "demand", "--record", argv);
	if (start_child(&c, argv, false))
		return -1;
	return read_report(&c.child, &r) || finish_child(g, &c.child, &r) ? -1 : 0;
}

/*
 * The first child: what it touches is what the later ones fetch first. They find the file by our
 * descriptor of it, so that nothing is left when this tool is killed.
 */
static int record_working_set(const struct plan *p, struct group *g)
{
	const char *dir = getenv("TMPDIR");
	char *path = NULL;
	int status, fd;

	if (asprintf(&path, "%s/mitosis-resume.XXXXXX", dir && *dir ? dir : "/tmp") < 0)
		return -1;
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0) {
		tool_error(path, "%s", strerror(errno));
		free(path);
		return -1;
	}
	close(fd);
	g->file = path;
	status = run_recording(p, g);
	/* The child has put another file in its place. */
	g->record_fd = open(path, O_RDONLY | O_CLOEXEC);
	unlink(path);
	free(path);
	snprintf(g->path, sizeof(g->path), "/proc/%d/fd/%d", (int)getpid(), g->record_fd);
	g->file = g->path;
	return status || g->record_fd < 0 ? -1 : 0;
}

/* `parallel` at a time. With a working set every other child gets it. */
static int run_children(struct plan *p, const struct group *g, const char *mode, uint64_t parallel)
{
	struct run r = {
		.p = p, .g = g, .mode = mode, .parallel = parallel, .more = true,
		.total = (p->count + p->warmup) * (p->replay ? 2 : 1),
		.list = calloc(parallel, sizeof(*r.list)), .fds = calloc(parallel, sizeof(*r.fds)),
		.arrivals = { .steps = p->steps, .count = p->step_count },
	};
	int status = r.list && r.fds ? 0 : -1;

	child_argv(p, g, mode, NULL, r.plain);
	child_argv(p, g, mode, "--replay", r.replaying);
	for (uint64_t i = 0; i < parallel && !status; i++) {
		r.fds[i].fd = -1;
		r.list[i].hold = -1;
	}
	if (p->step_count)
		begin_step(&r.arrivals, 0);
	r.rate = rate_begin(r.total, parallel, clock_now_ns());
	while ((r.more || r.running) && !status)
		status = take_turn(&r);
	for (uint64_t i = 0; r.list && r.fds && i < parallel; i++) {
		if (r.fds[i].fd < 0 || !r.list[i].child.pid)
			continue;
		kill(r.list[i].child.pid, SIGKILL);
		if (r.list[i].hold >= 0)
			close(r.list[i].hold);
		child_finish(&r.list[i].child);
	}
	free(r.list);
	free(r.fds);
	return status;
}

/* Everything that is asked for of one snapshot. */
static int run_group(struct plan *p, struct group *g)
{
	bool demand = p->demand && (p->user_demand || strcmp(g->engine, "user"));
	int status = p->replay && demand ? record_working_set(p, g) : 0;

	for (size_t k = 0; k < p->parallel_count && !status; k++) {
		if (demand)
			status = run_children(p, g, "demand", p->parallel[k]);
		if (p->eager && !status)
			status = run_children(p, g, "eager", p->parallel[k]);
	}
	if (g->record_fd > 0)
		close(g->record_fd);
	return status;
}

/* Is anything to be done by engine user on demand, and anything else? */
static bool needs_demand(const struct plan *p, char *const *refs, bool *others)
{
	bool user = p->user;

	*others = p->eager || p->kernel || p->local || p->criu || p->exec;
	for (; refs && *refs && !p->user && !p->kernel; refs++) {
		if (!strcmp(measure_engine_of(*refs), "user"))
			user = true;
		else
			*others = true;
	}
	return user && p->demand;
}

static int run_snapshot(struct plan *p, const char *engine, uint64_t wss)
{
	const struct life life = { .engine = engine, .listen = p->listen, .wss = wss, .touch = p->touch };
	char ref[MITOSIS_REF_MAX];
	struct group g = { .engine = engine, .ref = ref };
	struct parent parent;
	int status;

	if (!p->eager && !p->user_demand && !strcmp(engine, "user"))
		return 0;
	if (make_parent(&parent, &life, ref))
		return -1;
	status = run_group(p, &g);
	parent_end(&parent);
	return status;
}

/* The baseline: CRIU saves the parent, which ends, and gives each child its memory before it runs. */
static int run_criu(struct plan *p, uint64_t wss)
{
	const struct life life = { .wss = wss, .touch = p->touch, .criu = true };
	struct criu_place place;
	char ref[MITOSIS_REF_MAX];
	struct parent parent;
	const struct group g = { .engine = "criu", .ref = ref, .place = &place, .parent = &parent };
	uint64_t dump_ns;
	int status;

	if (criu_place_make(&place, p->images, p->copy_to, wss))
		return -1;
	status = make_parent(&parent, &life, ref);
	if (!status) {
		status = criu_dump(&place, parent.pid, false, &dump_ns);
		if (!status)
			status = run_children(p, &g, "eager", 1);
		parent_end(&parent);
	}
	criu_place_remove(&place);
	return status;
}

/* A snapshot of another mitosis-resume: by the engines asked for, or as its reference says. */
static int run_reference(struct plan *p, char *ref)
{
	const char *const engines[] = { p->user ? "user" : NULL, p->kernel ? "kernel" : NULL };
	struct group g = { .engine = measure_engine_of(ref), .ref = ref };
	int status = 0;

	if (!p->user && !p->kernel)
		return run_group(p, &g);
	for (int i = 0; i < 2 && !status; i++) {
		if (!engines[i])
			continue;
		g = (struct group){ .engine = engines[i], .option = engines[i], .ref = ref };
		status = run_group(p, &g);
	}
	return status;
}

/* Parents for other hosts: one reference a line, until a signal ends it. */
static int serve(const struct plan *p)
{
	size_t n = 0, most = 2 * p->wss_count;
	struct parent *parents = calloc(most, sizeof(*parents));
	int status = parents ? 0 : -1;

	for (size_t w = 0; w < p->wss_count && !status; w++) {
		for (int i = 0; i < 2 && !status; i++) {
			const struct life life = {
				.engine = i ? "kernel" : "user", .listen = p->listen, .wss = p->wss[w], .touch = p->touch,
			};
			char ref[MITOSIS_REF_MAX];

			if (!(i ? p->kernel : p->user))
				continue;
			status = make_parent(&parents[n], &life, ref);
			if (status)
				break;
			n++;
			status = measure_print_reference(ref);
		}
	}
	if (!status)
		status = parents_serve(parents, n);
	while (n)
		parent_end(&parents[--n]);
	free(parents);
	return status;
}

/* The floor: a forked child of a process with the same working set. */
static int run_local(struct plan *p, uint64_t bytes)
{
	struct wss w = { 0 };
	struct rate rate;
	uint64_t begin;

	if (bytes && wss_make(&w, bytes, false)) {
		tool_error("working set", "%s", strerror(errno));
		return -1;
	}
	begin = clock_now_ns();
	rate = rate_begin(p->count + p->warmup, 1, begin);
	for (uint64_t i = 0; i < p->count + p->warmup; i++) {
		uint64_t start, first;
		struct sample s;
		int pipes[2];
		pid_t pid;

		if (pipe2(pipes, O_CLOEXEC))
			return -1;
		fflush(NULL);
		start = clock_now_ns();
		pid = fork();
		if (!pid) {
			first = clock_now_ns();
			write_exactly(pipes[1], &first, sizeof(first));
			_exit(0);
		}
		close(pipes[1]);
		if (pid < 0 || read_exactly(pipes[0], &first, sizeof(first))) {
			tool_error("fork", "%s", strerror(errno));
			close(pipes[0]);
			return -1;
		}
		close(pipes[0]);
		waitpid(pid, NULL, 0);
		s = (struct sample){ .resume_ns = first - start, .life_ns = clock_now_ns() - start, .at_ns = start - begin };
		s.per_s = rate_add(&rate, start + s.life_ns);
		emit(p, "local", bytes, "fork", 1, i, &s);
	}
	wss_free(&w);
	return 0;
}

/* What starting any program costs here. */
static int run_exec(struct plan *p)
{
	char *argv[] = { (char *)"/bin/true", NULL };
	uint64_t begin = clock_now_ns();
	struct rate rate = rate_begin(p->count + p->warmup, 1, begin);

	for (uint64_t i = 0; i < p->count + p->warmup; i++) {
		uint64_t start = clock_now_ns();
		struct sample s = { 0 };
		pid_t pid = fork();
		int status;

		if (!pid) {
			execv(argv[0], argv);
			_exit(127);
		}
		if (pid < 0 || waitpid(pid, &status, 0) < 0 || status) {
			tool_error("/bin/true", "could not be run");
			return -1;
		}
		s.life_ns = clock_now_ns() - start;
		s.at_ns = start - begin;
		s.per_s = rate_add(&rate, start + s.life_ns);
		emit(p, "exec", 0, "exec", 1, i, &s);
	}
	return 0;
}

/* How many children --rate means, about. */
static uint64_t expected(const struct plan *p)
{
	uint64_t n = 0;

	for (size_t i = 0; i < p->step_count; i++)
		n += p->steps[i].count ? p->steps[i].count : p->steps[i].rate * p->steps[i].duration_ns / 1000000000u;
	return n;
}

/* RATE[:DURATION],... */
static int parse_steps(struct plan *p, const char *text)
{
	char *copy = strdup(text), *at = copy, *word;
	int status = 0;

	while (!status && (word = strsep(&at, ",")) != NULL) {
		struct step *steps = realloc(p->steps, (p->step_count + 1) * sizeof(*steps)), *s;
		char *colon = strchr(word, ':');

		if (!steps) {
			status = STATUS_FAILED;
			break;
		}
		p->steps = steps;
		s = &steps[p->step_count++];
		*s = (struct step){ 0 };
		if (colon)
			*colon = '\0';
		status = tool_arg_uint("--rate", word, 1, 1000000, &s->rate);
		if (!status && colon)
			status = tool_arg_duration("--rate", colon + 1, &s->duration_ns);
		if (!status && colon && !s->duration_ns)
			status = tool_usage_error("--rate", "%s: no time at all", colon + 1);
		if (!colon)
			s->count = p->count;
	}
	free(copy);
	return status;
}

static int run(struct plan *p, char **refs)
{
	uint64_t engines = (p->user ? 1 : 0) + (p->kernel ? 1 : 0), snapshots = 0;
	int status = 0;

	for (size_t i = 0; refs && refs[i]; i++)
		snapshots += engines ? engines : 1;
	if (!refs)
		snapshots = p->wss_count * engines;
	p->total = p->step_count ? expected(p) * snapshots : p->count *
		(snapshots * p->parallel_count * ((p->demand ? 1 : 0) + (p->eager ? 1 : 0)) * (p->replay ? 2 : 1) +
		 (p->local ? p->wss_count : 0) + (p->criu ? p->wss_count : 0) + (p->exec ? 1 : 0));
	progress_start("resume", p->total);
	for (size_t i = 0; refs && refs[i] && !status; i++)
		status = run_reference(p, refs[i]);
	if (p->exec && !refs)
		status = run_exec(p);
	for (size_t w = 0; w < p->wss_count && !refs && !status; w++) {
		if (p->local)
			status = run_local(p, p->wss[w]);
		if (p->user && !status)
			status = run_snapshot(p, "user", p->wss[w]);
		if (p->kernel && !status)
			status = run_snapshot(p, "kernel", p->wss[w]);
		if (p->criu && !status)
			status = run_criu(p, p->wss[w]);
	}
	progress_finish();
	return status;
}

int main(int argc, char **argv)
{
	static const struct tool_info info = {
		.synopsis = "[OPTION...] [REF...|-]",
		.summary = "Measure how fast children of a snapshot start. One record per child.",
		.columns = columns, .ncolumns = sizeof(columns) / sizeof(columns[0]),
		.examples = "  mitosis-resume --wss 1M..1G --count 20 | mitosis-stats\n"
			    "  mitosis-resume --engine exec,user --count 50 | mitosis-stats --by engine --baseline engine=exec --columns life_ns\n"
			    "  mitosis-resume --rate 5:10s,100:2s,5:10s | mitosis-stats --by step,rate\n"
			    "  mitosis-resume --touch 5 --replay | mitosis-stats --baseline replay=0 --columns touched_ns\n"
			    "  node1$ mitosis-resume --serve --listen 10.0.0.1 --wss 64M >ref\n"
			    "  node2$ mitosis-resume --engine user,kernel $(cat ref) | mitosis-stats\n",
		.exit_status = "  0; 1 failed; 2 wrong usage; 77 what was asked for cannot run here\n",
	};
	static const char *const engine_names[] = { "user", "kernel", "local", "criu", "exec", NULL };
	static const char *const mode_names[] = { "demand", "eager", NULL };
	struct plan p = { .count = 10, .warmup = 1 };
	bool *const engine_flags[] = { &p.user, &p.kernel, &p.local, &p.criu, &p.exec };
	bool *const mode_flags[] = { &p.demand, &p.eager };
	char *wss = NULL, *count = NULL, *parallel = NULL, *mode = NULL, *engine = NULL, *warmup = NULL;
	char *window = NULL, *touch = NULL, *listen = NULL, *rate = NULL, *images = NULL, *copy_to = NULL, **refs = NULL;
	bool bare, others;
	int no_push = 0, replay = 0, hold = 0, serving = 0, private = 0, poll = 0, json = 0, opt, status = STATUS_USAGE;
	char *child_options[8] = { NULL };
	size_t n = 0;
	struct poptOption options[] = {
		{ "wss", 's', POPT_ARG_STRING, &wss, 0, "working sets: list and doubling ranges (default 64M)", "SIZE[,SIZE...]" },
		{ "count", 'n', POPT_ARG_STRING, &count, 0, "children per combination (default 10)", "N" },
		{ "warmup", '\0', POPT_ARG_STRING, &warmup, 0, "children before them that are not recorded (default 1)", "N" },
		{ "parallel", 'p', POPT_ARG_STRING, &parallel, 0, "children at a time (default 1)", "N[,N...]" },
		{ "mode", 'm', POPT_ARG_STRING, &mode, 0, "demand, eager, or both (default demand)", "MODE[,MODE]" },
		{ "engine", 'e', POPT_ARG_STRING, &engine, 0,
		  "user, kernel; local: fork(2), the floor; criu: criu restore; exec: fork, exec and exit of /bin/true (default user; of a REF: what it says)", "ENGINE[,ENGINE...]" },
		{ "window", 'w', POPT_ARG_STRING, &window, 0, "pages fetched per fault (default 32)", "PAGES" },
		{ "no-push", '\0', POPT_ARG_NONE, &no_push, 0, "no background fetching", NULL },
		{ "private", '\0', POPT_ARG_NONE, &private, 0, "engine kernel: siblings share no page", NULL },
		{ "poll", '\0', POPT_ARG_NONE, &poll, 0, "engine kernel: a thread that waits for a page spins", NULL },
		{ "touch", 't', POPT_ARG_STRING, &touch, 0, "share of the working set that a child reads, in random order (default 0)", "PERCENT" },
		{ "replay", 'r', POPT_ARG_NONE, &replay, 0, "a first child records what it touches; of the others every second one has that fetched first", NULL },
		{ "rate", '\0', POPT_ARG_STRING, &rate, 0,
		  "children come at so many per second, at random times; their times count from there (--count of each, or for so long)", "N[:TIME][,N[:TIME]...]" },
		{ "hold", '\0', POPT_ARG_NONE, &hold, 0, "children stay until all that run at a time have touched their pages; note their memory", NULL },
		{ "images", '\0', POPT_ARG_STRING, &images, 0, "engine criu: where its images lie (default /dev/shm, in memory)", "DIR" },
		{ "copy-to", '\0', POPT_ARG_STRING, &copy_to, 0, "engine criu: copy the images there for each child, and restore it from the copy", "DIR" },
		{ "serve", '\0', POPT_ARG_NONE, &serving, 0, "be the parent: print a reference per working set and engine, until a signal", NULL },
		{ "listen", 'l', POPT_ARG_STRING, &listen, 0, "where children find the parent (default: this host only)", "ADDRESS[:PORT]" },
		{ "json", 'j', POPT_ARG_NONE, &json, 0, "write JSON Lines", NULL },
		TOOL_HEADER_OPTION,
		TOOL_COMMON_OPTIONS,
		POPT_TABLEEND
	};
	const char **given;
	poptContext con;

	tool_init("mitosis-resume");
	con = tool_context(argc, argv, options, 0, &info);
	opt = tool_next(con);
	if (opt != TOOL_END)
		goto out;
	given = poptGetArgs(con);
	if (tool_arg_sizes("--wss", wss ? wss : "64M", &p.wss, &p.wss_count) ||
	    tool_arg_uints("--parallel", parallel ? parallel : "1", 1, 256, &p.parallel, &p.parallel_count) ||
	    (count && tool_arg_uint("--count", count, 1, 1000000, &p.count)) ||
	    (warmup && tool_arg_uint("--warmup", warmup, 0, 1000000, &p.warmup)) ||
	    (touch && tool_arg_uint("--touch", touch, 0, 100, &p.touch)) ||
	    (engine && tool_arg_words("--engine", engine, engine_names, engine_flags)) ||
	    tool_arg_words("--mode", mode ? mode : "demand", mode_names, mode_flags))
		goto out;
	if (!engine && !given)
		p.user = true;
	/* These have no snapshot. */
	bare = p.local || p.criu || p.exec;
	if (given && (serving || wss || touch || listen || bare)) {
		tool_usage_error("REF", "a reference goes with children of it only: no --serve, --wss, --touch, --listen, "
				 "engine local, criu or exec");
		goto out;
	}
	refs = given ? measure_references(given, argc, argv, &status) : NULL;
	if (given && !refs)
		goto out;
	if ((images || copy_to) && !p.criu) {
		tool_usage_error(images ? "--images" : "--copy-to", "goes with engine criu");
		goto out;
	}
	for (size_t i = 0; i < p.parallel_count; i++) {
		if (p.criu && p.parallel[i] > 1) {
			tool_usage_error("--parallel", "engine criu restores one child at a time: each has the parent's PID");
			goto out;
		}
	}
	if (serving && bare) {
		tool_usage_error("--serve", "goes with the engines user and kernel");
		goto out;
	}
	if (replay && p.eager) {
		tool_usage_error("--replay", "contradicts --mode eager, which fetches everything anyway");
		goto out;
	}
	if (replay && !refs && !p.touch) {
		tool_usage_error("--replay", "nothing would be recorded: --touch says how much a child reads");
		goto out;
	}
	if (p.criu && replay) {
		tool_usage_error("--replay", "goes with children of snapshots");
		goto out;
	}
	if (rate && (parse_steps(&p, rate) || hold || replay || warmup || serving || bare)) {
		if (hold || replay || warmup || serving || bare)
			tool_usage_error("--rate", "goes with children of snapshots; no --hold, --replay, --warmup or --serve");
		goto out;
	}
	if (hold && (bare || serving)) {
		tool_usage_error("--hold", "goes with children of snapshots");
		goto out;
	}
	/* Each that comes is measured; there is room for many. */
	if (rate) {
		p.warmup = 0;
		if (!parallel)
			p.parallel[0] = 256;
	}
	p.hold = hold;
	if (window) {
		uint64_t ignored;

		if (tool_arg_uint("--window", window, 0, 1024, &ignored))
			goto out;
		child_options[n++] = (char *)"--window";
		child_options[n++] = window;
	}
	if (no_push)
		child_options[n++] = (char *)"--no-push";
	if (private)
		child_options[n++] = (char *)"--private";
	if (poll)
		child_options[n++] = (char *)"--poll";
	p.child_options = child_options;
	p.replay = replay;
	p.listen = listen;
	p.images = images;
	p.copy_to = copy_to;
	mitosis_set_logger(library_log, NULL);
	signal(SIGPIPE, SIG_IGN);
	status = listen_check(listen);
	if (status)
		goto out;
	if (p.kernel && !measure_has_kernel(p.user || bare)) {
		p.kernel = false;
		status = STATUS_SKIP;
		if (!p.user && !bare)
			goto out;
	}
	if (p.criu && !measure_has_criu()) {
		p.criu = false;
		status = STATUS_SKIP;
		if (!p.user && !p.kernel && !p.local && !p.exec)
			goto out;
	}
	p.user_demand = true;
	if (!serving && needs_demand(&p, refs, &others) && !measure_has_demand(others)) {
		p.user_demand = false;
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
			 engine ? engine : refs ? measure_engine_of(refs[0]) : "user", argc, argv) && !run(&p, refs))
		status = STATUS_OK;
	if (record_close(p.out))
		status = STATUS_FAILED;
out:
	free(p.wss);
	free(p.parallel);
	free(p.steps);
	measure_references_free(refs);
	poptFreeContext(con);
	return status;
}
