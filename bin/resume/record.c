// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* record.c - the records of mitosis-resume: one of each child. */
#include "progress.h"
#include "resume/resume.h"

enum { C_ENGINE, C_WSS, C_MODE, C_PARALLEL, C_ITER, C_RESUME, C_LIFE, C_REPLAY, C_TOUCH, C_TOUCHED,
       C_CHILDREN_PER_S, C_STEP, C_RATE, C_AT, C_PSS, C_COPY, C_IMAGE };
const struct record_column resume_columns[] = {
	[C_ENGINE]   = { "engine", RECORD_STRING,
		  "user, kernel: a child of a snapshot; local: a forked child; criu: a restored "
		  "process; exec: fork, exec and exit of /bin/true" },
	[C_WSS]      = { "wss", RECORD_SIZE, "working set of the parent, bytes" },
	[C_MODE]     = { "mode", RECORD_STRING,
		  "demand or eager; of engine local fork, of exec exec" },
	[C_PARALLEL] = { "parallel", RECORD_UINT, "children started at a time" },
	[C_ITER]     = { "iter", RECORD_UINT, "number of the child, from 0" },
	[C_RESUME]   = { "resume_ns", RECORD_NS,
		  "before exec of the child tool, or of criu, to the first instruction after "
		  "prepare" },
	[C_LIFE]     = { "life_ns", RECORD_NS, "before exec to the end of the child, reaped" },
	[C_REPLAY]   = { "replay", RECORD_UINT,
		  "1: the pages that an earlier child touched were fetched first" },
	[C_TOUCH]    = { "touch", RECORD_UINT,
		  "share of the working set that the child reads, percent" },
	[C_TOUCHED]  = { "touched_ns", RECORD_NS, "before exec to the last of these pages" },
	[C_CHILDREN_PER_S] = { "children_per_s", RECORD_DOUBLE,
		  "ended per second in the stretch that this child completes, which is of "
		  "--parallel at least" },
	[C_STEP]     = { "step", RECORD_UINT, "--rate: number of the step, from 0" },
	[C_RATE]     = { "rate", RECORD_UINT, "--rate: children that come per second in it" },
	[C_AT]       = { "at_ns", RECORD_NS,
		  "when it was started, or was due (--rate), from the first" },
	[C_PSS]      = { "pss_bytes", RECORD_SIZE,
		  "--hold: memory of child and mitosis-child, what is shared divided by those who "
		  "share it" },
	[C_COPY]     = { "copy_ns", RECORD_NS,
		  "--copy-to: time to copy the images, before the other times begin" },
	[C_IMAGE]    = { "image_bytes", RECORD_SIZE, "--copy-to: what was copied" },
};
const size_t resume_column_count = sizeof(resume_columns) / sizeof(resume_columns[0]);

void emit(struct plan *p, const char *engine, uint64_t wss, const char *mode, uint64_t parallel,
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
