// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * mitosis-prepare - measures how long a process stands still when it is prepared.
 *
 * Each iteration: every page of the working set belongs to this process alone; it is prepared (or
 * forked, or dumped); then every page is written, which pays the copy-on-write tax; then the
 * snapshot is released. Engines take turns within an iteration, so that they see the same machine.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "library.h"
#include "measure/engines.h"
#include "measure/measure.h"
#include "mitosis.h"
#include "options.h"
#include "prepare/subject.h"
#include "progress.h"
#include "tool.h"
#include "units.h"
#include "wss.h"

enum { C_ENGINE, C_WSS, C_HUGE, C_ITER, C_PREPARE, C_READY, C_PAGES, C_BYTES, C_COW_FAULTS, C_COW };
static const struct record_column columns[] = {
	[C_ENGINE]     = { "engine", RECORD_STRING,
		  "user, kernel: a snapshot; local: a bare fork(2), the floor; criu: criu dump" },
	[C_WSS]        = { "wss", RECORD_SIZE, "working set, bytes" },
	[C_HUGE]       = { "huge", RECORD_UINT, "1: transparent huge pages" },
	[C_ITER]       = { "iter", RECORD_UINT, "iteration, from 0" },
	[C_PREPARE]    = { "prepare_ns", RECORD_NS, "what the parent waits" },
	[C_READY]      = { "ready_ns", RECORD_NS, "from the call until a child could be served" },
	[C_PAGES]      = { "pages", RECORD_UINT, "pages in the snapshot" },
	[C_BYTES]      = { "bytes", RECORD_SIZE, "the same in bytes" },
	[C_COW_FAULTS] = { "cow_faults", RECORD_UINT,
		  "page faults while the whole working set is written afterwards" },
	[C_COW]        = { "cow_ns", RECORD_NS, "time to write it" },
};

#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

struct sample {
	uint64_t prepare_ns, ready_ns, pages, bytes, cow_faults, cow_ns;
};

struct plan {
	uint64_t *wss;
	size_t wss_count;
	uint64_t count, warmup;
	struct engines engines;
	bool huge, cow;
	const char *images;
	struct record_stream *out;
	uint64_t done;
};

/* One word per page is enough to make it the parent's own. */
static void write_all_pages(struct wss *w, struct sample *s)
{
	uint64_t start = clock_now_ns(), faults = measure_minor_faults();

	for (uint64_t p = 0; p < w->pages; p++)
		((volatile uint64_t *)w->base)[p * 512] = p;
	s->cow_ns = clock_now_ns() - start;
	s->cow_faults = measure_minor_faults() - faults;
}

static int measure_snapshot(const char *engine, struct wss *w, bool cow, struct sample *s)
{
	struct mitosis_prepare_args args = MITOSIS_PREPARE_ARGS_INIT;
	struct mitosis_info info = { .size = sizeof(info) };
	char ref[MITOSIS_REF_MAX];
	uint64_t start;
	int err;

	args.engine = engine;
	start = clock_now_ns();
	err = mitosis_prepare(&args, ref);

	s->prepare_ns = clock_now_ns() - start;
	if (err == 1)
		_exit(0);	/* nobody gets the reference, so nobody resumes it */
	if (err) {
		library_failed("prepare", err);
		return err;
	}
	/* Answered only when it could serve a child. */
	err = mitosis_query(ref, &info);
	if (err) {
		library_failed("snapshot", err);
		return err;
	}
	s->ready_ns = info.ready_ns - start;
	s->pages = info.pages;
	s->bytes = info.bytes;
	if (cow)
		write_all_pages(w, s);
	err = mitosis_release(ref);
	if (err)
		library_failed("release", err);
	return err;
}

static int measure_local(struct wss *w, bool cow, struct sample *s)
{
	uint64_t start;
	int until[2];
	pid_t pid;
	char c;

	if (pipe(until)) {
		tool_error("pipe", "%s", strerror(errno));
		return -errno;
	}
	start = clock_now_ns();
	pid = fork();
	if (!pid) {
		close(until[1]);
		(void)!read(until[0], &c, 1);
		_exit(0);
	}
	s->prepare_ns = clock_now_ns() - start;
	close(until[0]);
	if (pid < 0) {
		tool_error("fork", "%s", strerror(errno));
		close(until[1]);
		return -EAGAIN;
	}
	if (cow)
		write_all_pages(w, s);
	close(until[1]);
	waitpid(pid, NULL, 0);
	return 0;
}

static void emit(struct plan *p, const char *engine, uint64_t wss, uint64_t iter,
		 const struct sample *s)
{
	if (iter >= p->warmup) {
		p->done++;
		record_begin(p->out);
		record_string(p->out, C_ENGINE, engine);
		record_uint(p->out, C_WSS, wss);
		record_uint(p->out, C_HUGE, p->huge);
		record_uint(p->out, C_ITER, iter - p->warmup);
		record_uint(p->out, C_PREPARE, s->prepare_ns);
		if (s->ready_ns)
			record_uint(p->out, C_READY, s->ready_ns);
		if (s->pages)
			record_uint(p->out, C_PAGES, s->pages);
		if (s->bytes)
			record_uint(p->out, C_BYTES, s->bytes);
		if (s->cow_ns) {
			record_uint(p->out, C_COW_FAULTS, s->cow_faults);
			record_uint(p->out, C_COW, s->cow_ns);
		}
		record_end(p->out);
	}
	progress_update(p->done);
}

static int run_criu(struct plan *p, uint64_t bytes)
{
	struct subject *subject = subject_start(bytes, p->huge, p->images);
	int err = subject ? 0 : -1;

	for (uint64_t i = 0; i < p->count + p->warmup && !err; i++) {
		struct sample s = { 0 };

		err = subject_dump(subject, &s.prepare_ns, &s.ready_ns, &s.bytes);
		if (!err)
			emit(p, "criu", bytes, i, &s);
	}
	if (subject)
		subject_end(subject);
	return err;
}

/* Are there the huge pages that were asked for? If not, the measurement would be another one. */
static int check_huge(const struct wss *w, const char *size)
{
	static uint64_t warned;		/* of this size */
	uint64_t whole = w->bytes & ~(WSS_HUGE_PAGE - 1);
	char huge[32];

	if (!w->huge_bytes) {
		tool_error("--huge", "%s: %s", size, !whole ? "smaller than a huge page" :
			   "the kernel gives no huge pages "
			   "(see /sys/kernel/mm/transparent_hugepage/enabled)");
		return -1;
	}
	if (w->huge_bytes < whole && warned != w->bytes) {
		tool_warn("--huge", "%s: only %s of it is in huge pages", size,
			  units_format_size(w->huge_bytes, huge));
		warned = w->bytes;
	}
	return 0;
}

static int make_working_set(const struct plan *p, struct wss *w, uint64_t bytes)
{
	char size[32];

	units_format_size(bytes, size);
	if (wss_make(w, bytes, p->huge)) {
		tool_error("--wss", "%s: %s", size, strerror(errno));
		return -1;
	}
	if (!p->huge || !check_huge(w, size))
		return 0;
	wss_free(w);
	return -1;
}

/* Copy-on-write splits huge pages into small ones: make new ones. */
static int renew_working_set(const struct plan *p, struct wss *w, uint64_t bytes)
{
	if (!p->huge || !p->cow)
		return 0;
	wss_free(w);
	return make_working_set(p, w, bytes);
}

static int run_engine(struct plan *p, const char *engine, struct wss *w, uint64_t bytes,
		      uint64_t iter)
{
	struct sample s = { 0 };
	int err;

	if (!strcmp(engine, "local"))
		err = measure_local(w, p->cow, &s);
	else
		err = measure_snapshot(engine, w, p->cow, &s);
	if (err)
		return err;
	emit(p, engine, bytes, iter, &s);
	return renew_working_set(p, w, bytes);
}

static int run_wss(struct plan *p, uint64_t bytes)
{
	const struct engines *e = &p->engines;
	struct wss w;
	int err = make_working_set(p, &w, bytes);

	if (err)
		return err;
	for (uint64_t i = 0; i < p->count + p->warmup && !err; i++) {
		if (e->local)
			err = run_engine(p, "local", &w, bytes, i);
		if (e->user && !err)
			err = run_engine(p, "user", &w, bytes, i);
		if (e->kernel && !err)
			err = run_engine(p, "kernel", &w, bytes, i);
		if (!err)
			err = record_error(p->out);
	}
	wss_free(&w);
	if (e->criu && !err)
		err = run_criu(p, bytes);
	return err;
}

/* ---- options ---- */

enum { CRIU = 1 << 0 };
static const char *const circumstances[] = { "engine criu" };

static struct {
	char *wss, *count, *warmup, *engine, *images;
	int huge, no_cow, json;
} o;

static const struct tool_option options[] = {
	{ { "wss", 's', POPT_ARG_STRING, &o.wss, 0,
	    "working sets: list and doubling ranges such as 1M..1G (default 64M)",
	    "SIZE[,SIZE...]" },
	  .with = 0 },
	{ { "count", 'n', POPT_ARG_STRING, &o.count, 0,
	    "iterations per combination (default 10)", "N" },
	  .with = 0 },
	{ { "warmup", '\0', POPT_ARG_STRING, &o.warmup, 0,
	    "iterations before them that are not recorded (default 1)", "N" },
	  .with = 0 },
	{ { "huge", '\0', POPT_ARG_NONE, &o.huge, 0,
	    "back the working set with transparent huge pages", NULL },
	  .with = 0 },
	{ { "no-cow", '\0', POPT_ARG_NONE, &o.no_cow, 0,
	    "do not write the working set afterwards", NULL },
	  .with = 0 },
	{ { "engine", 'e', POPT_ARG_STRING, &o.engine, 0,
	    "user, kernel, local, criu (default user)", "ENGINE[,ENGINE...]" },
	  .with = 0 },
	{ { "images", '\0', POPT_ARG_STRING, &o.images, 0,
	    "engine criu: where its images lie (default /dev/shm, in memory)", "DIR" },
	  .with = CRIU },
	{ { "json", 'j', POPT_ARG_NONE, &o.json, 0, "write JSON Lines", NULL },
	  .with = 0 },
	{ TOOL_HEADER_OPTION, .with = 0 },
	TOOL_OPTIONS_END
};

static int parse(struct plan *p)
{
	static const char *const engine_names[] = { "user", "kernel", "local", "criu", NULL };
	struct engines *e = &p->engines;
	bool *const engine_flags[] = { &e->user, &e->kernel, &e->local, &e->criu };

	if (tool_arg_sizes("--wss", o.wss ? o.wss : "64M", &p->wss, &p->wss_count) ||
	    (o.count && tool_arg_uint("--count", o.count, 1, 1000000, &p->count)) ||
	    (o.warmup && tool_arg_uint("--warmup", o.warmup, 0, 1000000, &p->warmup)) ||
	    tool_arg_words("--engine", o.engine ? o.engine : "user", engine_names, engine_flags) ||
	    tool_options_check(options, circumstances, e->criu ? CRIU : 0) ||
	    measure_is_nothing(p->wss, p->wss_count))
		return STATUS_USAGE;
	p->huge = o.huge;
	p->cow = !o.no_cow;
	p->images = o.images;
	return 0;
}

static int run(struct plan *p, int argc, char **argv)
{
	int err = 0;

	mitosis_set_logger(library_log, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (!engines_left(&p->engines))
		return STATUS_SKIP;
	if (record_open(&p->out, stdout, o.json ? RECORD_JSON : RECORD_AUTO, columns, COLUMNS,
			o.engine ? o.engine : "user", argc, argv))
		return STATUS_FAILED;
	progress_start("prepare", p->count * p->wss_count * engines_count(&p->engines));
	for (size_t i = 0; i < p->wss_count && !err; i++)
		err = run_wss(p, p->wss[i]);
	progress_finish();
	return record_close(p->out) || err ? STATUS_FAILED : STATUS_OK;
}

int main(int argc, char **argv)
{
	static const struct tool_info info = {
		.synopsis = "[OPTION...]",
		.summary = "Measure how long a process stands still when it is prepared. "
			   "One record per iteration.",
		.columns = columns, .ncolumns = COLUMNS,
		.examples = "  mitosis-prepare --wss 64M | mitosis-stats\n"
			    "  mitosis-prepare --wss 1M..1G --engine user,local | "
			    "mitosis-stats --baseline engine=local\n",
		.exit_status = "  0; 1 failed; 2 wrong usage; "
			       "77 the only engine asked for cannot run here\n",
	};
	struct plan p = { .count = 10, .warmup = 1 };
	int status = STATUS_USAGE;
	poptContext con;

	tool_init("mitosis-prepare");
	con = tool_options_context(argc, argv, options, 0, &info);
	if (tool_next(con) == TOOL_END) {
		if (poptPeekArg(con))
			tool_usage_error(NULL, "%s: unexpected argument", poptPeekArg(con));
		else
			status = parse(&p);
		if (!status)
			status = run(&p, argc, argv);
	}
	free(p.wss);
	poptFreeContext(con);
	return status;
}
