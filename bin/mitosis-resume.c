// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * mitosis-resume - measures how fast children start, and how soon they have touched their memory.
 *
 * For each working set a parent process is made and prepared; then children of its snapshot are
 * started, one after the other or several at a time. A child's first instruction after prepare
 * reads the clock, which its host shares with this tool; then it touches a share of its pages and
 * reads the clock again. The parent can also be on another host: --serve there, its references as
 * arguments here.
 *
 * With --rate children are due at times of their own, whether or not earlier ones have ended, and
 * their times count from there: a child that had to wait for its turn is slow, as its user would
 * find it. With --hold children stay until all that run at a time have touched their pages, and
 * their memory is noted.
 *
 * Engine criu is the baseline: the parent is saved to images, and each child is restored from them.
 */
#include <stdlib.h>
#include <string.h>

#include "measure/listen.h"
#include "measure/main.h"
#include "measure/references.h"
#include "progress.h"
#include "resume/arrivals.h"
#include "resume/resume.h"

/* ---- options ---- */

enum {
	SERVE	= 1 << 0,
	REF	= 1 << 1,
	LOCAL	= 1 << 2,
	CRIU	= 1 << 3,
	EXEC	= 1 << 4,
	EAGER	= 1 << 5,
	RATE	= 1 << 6,
	HOLD	= 1 << 7,
	REPLAY	= 1 << 8,
	NO_SNAPSHOT = LOCAL | CRIU | EXEC,
};
static const char *const circumstances[] = {
	"--serve", "a reference: its parent is there already",
	"engine local", "engine criu", "engine exec",
	"--mode eager, which fetches everything anyway",
	"--rate", "--hold", "--replay",
};

static struct {
	char *wss, *count, *warmup, *parallel, *mode, *engine, *touch, *rate;
	char *images, *copy_to, *listen;
	int replay, hold, serve, json;
	struct child_options child;
} o;

static const struct tool_option options[] = {
	{ { "wss", 's', POPT_ARG_STRING, &o.wss, 0,
	    "working sets: list and doubling ranges (default 64M)", "SIZE[,SIZE...]" },
	  .without = REF },
	{ { "count", 'n', POPT_ARG_STRING, &o.count, 0,
	    "children per combination (default 10)", "N" }, .without = SERVE },
	{ { "warmup", '\0', POPT_ARG_STRING, &o.warmup, 0,
	    "children before them that are not recorded (default 1)", "N" },
	  .without = SERVE | RATE },
	{ { "parallel", 'p', POPT_ARG_STRING, &o.parallel, 0,
	    "children at a time (default 1)", "N[,N...]" }, .without = SERVE },
	{ { "mode", 'm', POPT_ARG_STRING, &o.mode, 0,
	    "demand, eager, or both (default demand)", "MODE[,MODE]" }, .without = SERVE },
	{ { "engine", 'e', POPT_ARG_STRING, &o.engine, 0,
	    "user, kernel; local: fork(2), the floor; criu: criu restore; exec: fork, exec and "
	    "exit of /bin/true (default user; of a REF: what it says)", "ENGINE[,ENGINE...]" },
	  .with = 0 },
	{ { "window", 'w', POPT_ARG_STRING, &o.child.window, 0,
	    "pages fetched per fault (default 32)", "PAGES" }, .without = SERVE },
	{ { "no-push", '\0', POPT_ARG_NONE, &o.child.no_push, 0,
	    "no background fetching", NULL }, .without = SERVE },
	{ { "private", '\0', POPT_ARG_NONE, &o.child.private, 0,
	    "engine kernel: siblings share no page", NULL }, .without = SERVE },
	{ { "poll", '\0', POPT_ARG_NONE, &o.child.poll, 0,
	    "engine kernel: a thread that waits for a page spins", NULL }, .without = SERVE },
	{ { "touch", 't', POPT_ARG_STRING, &o.touch, 0,
	    "share of the working set that a child reads, in random order (default 0)", "PERCENT" },
	  .without = REF },
	{ { "replay", 'r', POPT_ARG_NONE, &o.replay, 0,
	    "a first child records what it touches; of the others every second one has that "
	    "fetched first", NULL },
	  .without = SERVE | CRIU | EAGER },
	{ { "rate", '\0', POPT_ARG_STRING, &o.rate, 0,
	    "children come at so many per second, at random times; their times count from there "
	    "(--count of each, or for so long)", "N[:TIME][,N[:TIME]...]" },
	  .without = SERVE | NO_SNAPSHOT | HOLD | REPLAY },
	{ { "hold", '\0', POPT_ARG_NONE, &o.hold, 0,
	    "children stay until all that run at a time have touched their pages; note their "
	    "memory", NULL },
	  .without = SERVE | NO_SNAPSHOT },
	{ { "images", '\0', POPT_ARG_STRING, &o.images, 0,
	    "engine criu: where its images lie (default /dev/shm, in memory)", "DIR" },
	  .with = CRIU },
	{ { "copy-to", '\0', POPT_ARG_STRING, &o.copy_to, 0,
	    "engine criu: copy the images there for each child, and restore it from the copy",
	    "DIR" },
	  .with = CRIU },
	{ { "serve", '\0', POPT_ARG_NONE, &o.serve, 0,
	    "be the parent: print a reference per working set and engine, until a signal", NULL },
	  .without = REF | NO_SNAPSHOT },
	{ { "listen", 'l', POPT_ARG_STRING, &o.listen, 0,
	    "where children find the parent (default: this host only)", "ADDRESS[:PORT]" },
	  .without = REF },
	{ { "json", 'j', POPT_ARG_NONE, &o.json, 0, "write JSON Lines", NULL }, .without = SERVE },
	{ TOOL_HEADER_OPTION, .without = SERVE },
	TOOL_OPTIONS_END
};

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

static struct plan plan = { .count = 10, .warmup = 1 };

static int parse(bool refs)
{
	struct plan *p = &plan;
	static const char *const engine_names[] = {
		"user", "kernel", "local", "criu", "exec", NULL,
	};
	static const char *const mode_names[] = { "demand", "eager", NULL };
	struct engines *e = &p->engines;
	bool *const engine_flags[] = { &e->user, &e->kernel, &e->local, &e->criu, &e->exec };
	bool *const mode_flags[] = { &p->demand, &p->eager };
	uint64_t window;

	if (tool_arg_sizes("--wss", o.wss ? o.wss : "64M", &p->wss, &p->wss_count) ||
	    /* At a rate nobody waits for others to end, unless --parallel says so. */
	    tool_arg_uints("--parallel", o.parallel ? o.parallel : o.rate ? "256" : "1", 1, 256,
			   &p->parallel, &p->parallel_count) ||
	    (o.count && tool_arg_uint("--count", o.count, 1, 1000000, &p->count)) ||
	    (o.warmup && tool_arg_uint("--warmup", o.warmup, 0, 1000000, &p->warmup)) ||
	    (o.touch && tool_arg_uint("--touch", o.touch, 0, 100, &p->touch)) ||
	    (o.engine && tool_arg_words("--engine", o.engine, engine_names, engine_flags)) ||
	    tool_arg_words("--mode", o.mode ? o.mode : "demand", mode_names, mode_flags) ||
	    (o.rate && parse_steps(p, o.rate)) ||
	    child_options_check(&o.child, &window))
		return STATUS_USAGE;
	if (!o.engine && !refs)
		p->engines.user = true;
	/* At a rate the first children are measured, too. */
	if (o.rate)
		p->warmup = 0;
	p->replay = o.replay;
	p->hold = o.hold;
	p->listen = o.listen;
	p->images = o.images;
	p->copy_to = o.copy_to;
	p->child = o.child;
	return 0;
}

static int check(bool refs)
{
	const struct plan *p = &plan;
	const struct engines *e = &p->engines;
	unsigned int in_force = 0;
	int status;

	in_force |= o.serve ? SERVE : 0;
	in_force |= refs ? REF : 0;
	in_force |= e->local ? LOCAL : 0;
	in_force |= e->criu ? CRIU : 0;
	in_force |= e->exec ? EXEC : 0;
	in_force |= p->eager ? EAGER : 0;
	in_force |= o.rate ? RATE : 0;
	in_force |= o.hold ? HOLD : 0;
	in_force |= o.replay ? REPLAY : 0;
	status = tool_options_check(options, circumstances, in_force);
	if (status)
		return status;
	if (refs && (in_force & NO_SNAPSHOT))
		return tool_usage_error("--engine", "only user and kernel go with a reference: "
					"the others have no snapshot");
	for (size_t i = 0; i < p->parallel_count; i++) {
		if (e->criu && p->parallel[i] > 1)
			return tool_usage_error("--parallel", "engine criu restores one child at a "
						"time: each has the parent's PID");
	}
	if (o.replay && !refs && !p->touch)
		return tool_usage_error("--replay",
					"nothing would be recorded: --touch says how much a child "
					"reads");
	return 0;
}

/* What this host cannot do is left out; false: nothing is left. */
static bool can_run(struct plan *p, char *const *refs)
{
	struct engines e;
	bool others;

	if (!engines_left(&p->engines))
		return false;
	e = p->engines;
	engines_add(&e, refs);
	others = p->eager || engines_count(&e) > 1 || !e.user;
	p->user_demand = o.serve || !e.user || !p->demand || measure_has_demand(others);
	return p->user_demand || others;
}

/* ---- running ---- */

static int make_served(const void *data, size_t i, struct parent *parent, char ref[MITOSIS_REF_MAX])
{
	const struct plan *p = data;
	size_t engines = engines_count(&p->engines);
	struct life life = { .listen = p->listen, .wss = p->wss[i / engines], .touch = p->touch };

	life.engine = p->engines.user && i % engines == 0 ? "user" : "kernel";
	return life_start(parent, &life, ref);
}

/* How many records there will be. */
static uint64_t total(const struct plan *p, char *const *refs)
{
	const struct engines *e = &p->engines;
	uint64_t engines = (uint64_t)e->user + e->kernel, snapshots = 0, runs;

	for (size_t i = 0; refs && refs[i]; i++)
		snapshots += engines ? engines : 1;
	if (!refs)
		snapshots = p->wss_count * engines;
	if (p->step_count)
		return arrivals_expected(p->steps, p->step_count) * snapshots;
	runs = snapshots * p->parallel_count * ((uint64_t)p->demand + p->eager);
	runs *= p->replay ? 2 : 1;
	runs += p->wss_count * ((uint64_t)e->local + e->criu) + e->exec;
	return p->count * runs;
}

static int run_working_set(struct plan *p, uint64_t wss)
{
	const struct engines *e = &p->engines;
	int status = e->local ? run_local(p, wss) : 0;

	if (e->user && !status)
		status = run_snapshot(p, "user", wss);
	if (e->kernel && !status)
		status = run_snapshot(p, "kernel", wss);
	if (e->criu && !status)
		status = run_criu(p, wss);
	return status;
}

static int measure(struct plan *p, char *const *refs)
{
	int status = 0;

	progress_start("resume", total(p, refs));
	for (size_t i = 0; refs && refs[i] && !status; i++)
		status = run_reference(p, refs[i]);
	if (p->engines.exec)
		status = run_exec(p);
	for (size_t w = 0; w < p->wss_count && !refs && !status; w++)
		status = run_working_set(p, p->wss[w]);
	progress_finish();
	return status;
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
	if (o.serve) {
		size_t n = p->wss_count * engines_count(&p->engines);

		return parents_serve(n, make_served, p) ? STATUS_FAILED : STATUS_OK;
	}
	if (!record_open(&p->out, stdout, o.json ? RECORD_JSON : RECORD_AUTO,
			 resume_columns, resume_column_count, engine, argc, argv) &&
	    !measure(p, refs))
		status = STATUS_OK;
	return record_close(p->out) ? STATUS_FAILED : status;
}

int main(int argc, char **argv)
{
	static struct tool_info info = {
		.synopsis = "[OPTION...] [REF...|-]",
		.summary = "Measure how fast children of a snapshot start. One record per child.",
		.columns = resume_columns,
		.examples = "  mitosis-resume --wss 1M..1G --count 20 | mitosis-stats\n"
			    "  mitosis-resume --engine exec,user --count 50 | mitosis-stats --by "
			    "engine --baseline engine=exec --columns life_ns\n"
			    "  mitosis-resume --rate 5:10s,100:2s,5:10s | mitosis-stats --by "
			    "step,rate\n"
			    "  mitosis-resume --touch 5 --replay | mitosis-stats --baseline "
			    "replay=0 --columns touched_ns\n"
			    "  node1$ mitosis-resume --serve --listen 10.0.0.1 --wss 64M >ref\n"
			    "  node2$ mitosis-resume --engine user,kernel $(cat ref) | "
			    "mitosis-stats\n",
		.exit_status = "  0; 1 failed; 2 wrong usage; "
			       "77 what was asked for cannot run here\n",
	};
	static const struct measuring tool = {
		.name = "mitosis-resume", .info = &info, .options = options,
		.parse = parse, .check = check, .run = run,
	};
	int status;

	info.ncolumns = resume_column_count;
	status = measure_main(&tool, argc, argv);
	free(plan.wss);
	free(plan.parallel);
	free(plan.steps);
	return status;
}
