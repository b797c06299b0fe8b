// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* record.c - the records of mitosis-exectime: one of each phase, or of each access. */
#include <string.h>

#include "exectime/exectime.h"
#include "tool.h"

enum { C_ENGINE, C_PHASE, C_WSS, C_TOUCH, C_PATTERN, C_ACCESS, C_WINDOW, C_PUSH, C_ITER, C_EXEC,
       C_FAULTS, C_FETCHED_PAGES, C_FETCHED_BYTES, C_PARALLEL, C_EXECS_PER_S, C_RESUME };
const struct record_column exectime_columns[] = {
	[C_ENGINE]  = { "engine", RECORD_STRING,
			"user, kernel: how the snapshot's pages reach the child; criu: it is "
			"restored from images" },
	[C_PHASE]   = { "phase", RECORD_STRING, "cold, warm, fork, cow, child, child2" },
	[C_WSS]     = { "wss", RECORD_SIZE, "working set, bytes" },
	[C_TOUCH]   = { "touch", RECORD_UINT, "share of it that is touched, percent" },
	[C_PATTERN] = { "pattern", RECORD_STRING, "order of the pages: seq or random" },
	[C_ACCESS]  = { "access", RECORD_STRING, "read or write (read and write back)" },
	[C_WINDOW]  = { "window", RECORD_UINT, "pages fetched per fault in a resumed child" },
	[C_PUSH]    = { "push", RECORD_UINT, "1: the background fetches too" },
	[C_ITER]    = { "iter", RECORD_UINT, "iteration, from 0" },
	[C_EXEC]    = { "exec_ns", RECORD_NS, "time of the phase; with --each, of one access" },
	[C_FAULTS]  = { "faults", RECORD_UINT,
			"page faults in it: of the kernel, in a resumed child those that the "
			"pager served" },
	[C_FETCHED_PAGES] = { "fetched_pages", RECORD_UINT,
		  "pages that came from the parent's host in it" },
	[C_FETCHED_BYTES] = { "fetched_bytes", RECORD_SIZE, "the same in bytes" },
	[C_PARALLEL] = { "parallel", RECORD_UINT,
		  "--parallel: processes that execute at the same time" },
	[C_EXECS_PER_S] = { "execs_per_s", RECORD_DOUBLE,
		  "--parallel: executions that ended per second in the stretch that this one "
		  "completes" },
	[C_RESUME] = { "resume_ns", RECORD_NS,
		       "child: before exec of mitosis-child, or of criu, to its first instruction "
		       "after prepare" },
};
const size_t exectime_column_count = sizeof(exectime_columns) / sizeof(exectime_columns[0]);

const char *const phase_names[] = { "cold", "warm", "fork", "cow", "child", "child2", NULL };

void emit(struct plan *p, const char *engine, uint64_t iter, const struct result *r,
	  uint64_t exec_ns)
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
	} else if (strcmp(engine, "criu")) {
		record_uint(p->out, C_WINDOW, p->window);
		record_uint(p->out, C_PUSH, p->push);
	}
	record_uint(p->out, C_ITER, iter);
	record_uint(p->out, C_EXEC, exec_ns);
	if (!r->count) {
		record_uint(p->out, C_FAULTS, r->faults);
		if (r->first_ns)
			record_uint(p->out, C_RESUME, r->first_ns - p->started_ns);
		if (r->phase >= PHASE_CHILD && strcmp(engine, "criu")) {
			record_uint(p->out, C_FETCHED_PAGES, r->fetched_pages);
			record_uint(p->out, C_FETCHED_BYTES, r->fetched_pages * 4096);
		}
	}
	record_end(p->out);
}
