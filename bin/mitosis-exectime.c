// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * mitosis-exectime - measures execution against the working set, phase by phase.
 *
 * A process touches its working set: for the first time (cold), again (warm), in a forked child of
 * it (fork), in the parent after it was prepared (cow), in a resumed child (child) and there once
 * more (child2). Every byte read is compared with what the parent wrote. With --access write the
 * parent writes other values after prepare, so a snapshot that changed would be noticed. The parent
 * can also be on another host: --serve there, its references as arguments here.
 *
 * Engine criu is the baseline: the parent is saved to images, and the child is restored from them.
 *
 * With --parallel nothing is forked while it is measured: processes that have their memory execute
 * again and again, at the same time. That is the peak which starting children can only come near
 * to.
 */
#include <stdlib.h>
#include <string.h>

#include "exectime/exectime.h"
#include "measure/listen.h"
#include "measure/main.h"
#include "measure/references.h"
#include "progress.h"

/* ---- options ---- */

enum {
	SERVE	 = 1 << 0,
	REF	 = 1 << 1,
	PARALLEL = 1 << 2,
	CRIU	 = 1 << 3,
	NO_PUSH	 = 1 << 4,
};
static const char *const circumstances[] = {
	"--serve", "a reference: its parent is there already",
	"--parallel, which forks nothing", "engine criu", "--no-push",
};

static struct {
	char *wss, *touch, *pattern, *access, *phase, *count, *engine, *mode, *parallel;
	char *images, *listen;
	int each, push, serve, json;
	struct child_options child;
} o;

static const struct tool_option options[] = {
	{ { "wss", 's', POPT_ARG_STRING, &o.wss, 0,
	    "working sets: list and doubling ranges (default 64M)", "SIZE[,SIZE...]" },
	  .without = REF },
	{ { "touch", 't', POPT_ARG_STRING, &o.touch, 0,
	    "share that is touched, 0 to 100 (default 100; 0..100:10 steps by ten)",
	    "PERCENT[,PERCENT...]" },
	  .without = REF },
	{ { "pattern", '\0', POPT_ARG_STRING, &o.pattern, 0,
	    "seq, random (default seq)", "PATTERN[,PATTERN]" },
	  .without = REF },
	{ { "access", 'a', POPT_ARG_STRING, &o.access, 0,
	    "read, write (default read)", "ACCESS[,ACCESS]" },
	  .without = REF },
	{ { "each", '\0', POPT_ARG_NONE, &o.each, 0,
	    "a record for every page, with the time of one access to it: what a fault costs",
	    NULL },
	  .without = REF | PARALLEL },
	{ { "phase", '\0', POPT_ARG_STRING, &o.phase, 0,
	    "cold,warm,fork,cow,child,child2 (default all)", "PHASE[,PHASE...]" },
	  .without = SERVE | PARALLEL },
	{ { "count", 'n', POPT_ARG_STRING, &o.count, 0,
	    "iterations per combination (default 5)", "N" },
	  .without = SERVE },
	{ { "engine", 'e', POPT_ARG_STRING, &o.engine, 0,
	    "user, kernel; criu: a child by criu restore (default user; of a REF: what it says)",
	    "ENGINE[,ENGINE...]" },
	  .without = PARALLEL },
	{ { "window", 'w', POPT_ARG_STRING, &o.child.window, 0,
	    "pages fetched per fault (default 32)", "PAGES" },
	  .without = SERVE | PARALLEL },
	{ { "mode", 'm', POPT_ARG_STRING, &o.mode, 0,
	    "how the child's memory comes: demand or eager (default demand)", "MODE" },
	  .without = SERVE | PARALLEL },
	{ { "parallel", 'p', POPT_ARG_STRING, &o.parallel, 0,
	    "phase warm in so many processes at once, without forking: --count times in each",
	    "N[,N...]" },
	  .without = SERVE | REF },
	{ { "push", '\0', POPT_ARG_NONE, &o.push, 0,
	    "the background fetches too (default)", NULL },
	  .without = SERVE | PARALLEL | NO_PUSH },
	{ { "no-push", '\0', POPT_ARG_NONE, &o.child.no_push, 0,
	    "fetch on faults only", NULL },
	  .without = SERVE | PARALLEL },
	{ { "private", '\0', POPT_ARG_NONE, &o.child.private, 0,
	    "engine kernel: siblings share no page", NULL },
	  .without = SERVE | PARALLEL },
	{ { "poll", '\0', POPT_ARG_NONE, &o.child.poll, 0,
	    "engine kernel: a thread that waits for a page spins", NULL },
	  .without = SERVE | PARALLEL },
	{ { "images", '\0', POPT_ARG_STRING, &o.images, 0,
	    "engine criu: where its images lie (default /dev/shm, in memory)", "DIR" },
	  .with = CRIU },
	{ { "serve", '\0', POPT_ARG_NONE, &o.serve, 0,
	    "be the parent: print a reference per combination, until a signal", NULL },
	  .without = REF | CRIU },
	{ { "listen", 'l', POPT_ARG_STRING, &o.listen, 0,
	    "where children find the parent (default: this host only)", "ADDRESS[:PORT]" },
	  .without = REF | PARALLEL },
	{ { "json", 'j', POPT_ARG_NONE, &o.json, 0, "write JSON Lines", NULL },
	  .without = SERVE },
	{ TOOL_HEADER_OPTION, .without = SERVE },
	TOOL_OPTIONS_END
};

static struct plan plan = { .count = 5, .window = 32 };

static int parse(bool refs)
{
	struct plan *p = &plan;
	static const char *const engine_names[] = { "user", "kernel", "criu", NULL };
	static const char *const pattern_names[] = { "seq", "random", NULL };
	static const char *const access_names[] = { "read", "write", NULL };
	bool *const engine_flags[] = { &p->engines.user, &p->engines.kernel, &p->engines.criu };
	bool *const pattern_flags[] = { &p->seq, &p->random };
	bool *const access_flags[] = { &p->read, &p->write };
	bool *phase_flags[PHASES];

	for (int i = 0; i < PHASES; i++)
		phase_flags[i] = &p->phases[i];
	p->mode = o.mode ? o.mode : "demand";
	if (strcmp(p->mode, "demand") && strcmp(p->mode, "eager"))
		return tool_usage_error("--mode", "%s: neither demand nor eager", p->mode);
	if (tool_arg_sizes("--wss", o.wss ? o.wss : "64M", &p->wss, &p->wss_count) ||
	    tool_arg_uints("--touch", o.touch ? o.touch : "100", 0, 100,
			   &p->touch, &p->touch_count) ||
	    (o.count && tool_arg_uint("--count", o.count, 1, 1000000, &p->count)) ||
	    (o.parallel && tool_arg_uints("--parallel", o.parallel, 1, 1024,
					  &p->parallel, &p->parallel_count)) ||
	    child_options_check(&o.child, &p->window) ||
	    (o.engine && tool_arg_words("--engine", o.engine, engine_names, engine_flags)) ||
	    tool_arg_words("--pattern", o.pattern ? o.pattern : "seq",
			   pattern_names, pattern_flags) ||
	    tool_arg_words("--access", o.access ? o.access : "read", access_names, access_flags) ||
	    tool_arg_words("--phase", o.phase ? o.phase : "cold,warm,fork,cow,child,child2",
			   phase_names, phase_flags))
		return STATUS_USAGE;
	if (!o.engine && !refs)
		p->engines.user = true;
	p->each = o.each;
	p->push = !o.child.no_push;
	p->images = o.images;
	p->listen = o.listen;
	p->child = o.child;
	return 0;
}

static int check(bool refs)
{
	const struct plan *p = &plan;
	unsigned int in_force = 0;
	int status;

	in_force |= o.serve ? SERVE : 0;
	in_force |= refs ? REF : 0;
	in_force |= o.parallel ? PARALLEL : 0;
	in_force |= p->engines.criu ? CRIU : 0;
	in_force |= o.child.no_push ? NO_PUSH : 0;
	status = tool_options_check(options, circumstances, in_force);
	if (status)
		return status;
	if (p->engines.criu && refs)
		return tool_usage_error("--engine", "only user and kernel go with a reference: "
					"criu has no snapshot");
	if (measure_is_nothing(p->wss, p->wss_count))
		return STATUS_USAGE;
	if (o.each && p->touch_count == 1 && !p->touch[0])
		return tool_usage_error("--each", "with --touch 0 there is no access to time");
	return 0;
}

/* What this host cannot do is left out; false: nothing is left. */
static bool can_run(struct plan *p, char *const *refs)
{
	bool children = refs || p->phases[PHASE_CHILD] || p->phases[PHASE_CHILD2], others;
	struct engines e;

	if (!engines_left(&p->engines))
		return false;
	e = p->engines;
	engines_add(&e, refs);
	if (o.serve || o.parallel || !children || !e.user || strcmp(p->mode, "demand"))
		return true;
	others = engines_count(&e) > 1;
	if (measure_has_demand(others))
		return true;
	p->no_demand = true;
	p->engines.user = false;
	return others;
}

/* ---- running ---- */

bool combination(const struct plan *p, size_t i, struct life *life)
{
	static const char *const engines[] = { "user", "kernel", "criu" };
	const bool wanted[] = { p->engines.user, p->engines.kernel, p->engines.criu };

	for (size_t w = 0; w < p->wss_count; w++) {
		for (size_t t = 0; t < p->touch_count; t++) {
			for (int variant = 0; variant < 12; variant++) {
				int engine = variant % 3;

				*life = (struct life){
					.work = {
						.wss = p->wss[w], .touch = p->touch[t],
						.random = variant / 3 & 1, .write = variant >= 6,
						.each = p->each,
					},
					.engine = engines[engine], .criu = engine == 2,
					.listen = p->listen,
					.fork = p->phases[PHASE_FORK] && !o.serve,
				};
				if (wanted[engine] && (life->work.random ? p->random : p->seq) &&
				    (life->work.write ? p->write : p->read) && !i--)
					return true;
			}
		}
	}
	return false;
}

size_t combinations(const struct plan *p)
{
	struct life life;
	size_t n = 0;

	while (combination(p, n, &life))
		n++;
	return n;
}

static int make_served(const void *data, size_t i, struct parent *parent,
		       char ref[MITOSIS_REF_MAX])
{
	struct life life;
	int err;

	combination(data, i, &life);
	if (parent_start(parent, live, &life))
		return -1;
	err = parent_hear(NULL, &life, parent, 0, ref);
	if (err)
		parent_end(parent);
	return err;
}

static int measure(struct plan *p)
{
	size_t n = combinations(p);
	struct life life;
	int err = 0;

	progress_start("exectime", p->count * n);
	for (size_t i = 0; combination(p, i, &life) && !err; i++)
		for (uint64_t k = 0; k < p->count && !err; k++)
			err = run_one(p, &life, k);
	progress_finish();
	return err;
}

static int run(char *const *refs, int argc, char **argv)
{
	struct plan *p = &plan;
	const char *engine = o.engine ? o.engine : refs ? reference_engine(refs[0]) : "user";
	int status;

	status = listen_check(o.listen);
	if (status)
		return status;
	status = STATUS_FAILED;
	if (!can_run(p, refs))
		return STATUS_SKIP;
	if (o.serve)
		return parents_serve(combinations(p), make_served, p) ? STATUS_FAILED : STATUS_OK;
	if (!record_open(&p->out, stdout, o.json ? RECORD_JSON : RECORD_AUTO, exectime_columns,
			 exectime_column_count, o.parallel ? NULL : engine, argc, argv) &&
	    !(o.parallel ? run_alone(p) : refs ? run_references(p, refs) : measure(p))) {
		/* With --each, a share of less than a page gives no record. */
		record_header(p->out);
		status = STATUS_OK;
	}
	return record_close(p->out) ? STATUS_FAILED : status;
}

int main(int argc, char **argv)
{
	static struct tool_info info = {
		.synopsis = "[OPTION...] [REF...|-]",
		.summary = "Measure execution against the working set, phase by phase. "
			   "One record per phase and iteration;\n"
			   "every byte that is read is compared with what the parent wrote.",
		.columns = exectime_columns,
		.examples =
			"  mitosis-exectime --wss 64M | mitosis-stats --columns exec_ns --baseline "
			"phase=fork\n"
			"  mitosis-exectime --wss 16M --touch 0..100:20 --no-push --pattern random "
			"| mitosis-stats\n"
			"  mitosis-exectime --each --pattern random --phase fork,child --no-push | "
			"mitosis-stats --columns exec_ns\n"
			"  mitosis-exectime --parallel 1,2,4 --count 100 | mitosis-stats --by "
			"parallel --columns execs_per_s\n"
			"  node1$ mitosis-exectime --serve --listen 10.0.0.1 --touch 10,100 >refs\n"
			"  node2$ mitosis-exectime --engine user,kernel $(cat refs) | "
			"mitosis-stats --columns exec_ns\n",
		.exit_status = "  0; 1 failed, or a byte was wrong; 2 wrong usage; "
			       "77 what was asked for cannot run here\n",
	};
	static const struct measuring tool = {
		.name = "mitosis-exectime", .info = &info, .options = options,
		.parse = parse, .check = check, .run = run,
	};
	int status;

	info.ncolumns = exectime_column_count;
	status = measure_main(&tool, argc, argv);
	free(plan.wss);
	free(plan.touch);
	free(plan.parallel);
	return status;
}
