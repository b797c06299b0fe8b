// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* parent.c - what a parent does, and each child of its snapshot from there on: see resume.h. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "children.h"
#include "clock.h"
#include "measure/criu.h"
#include "resume/resume.h"
#include "tool.h"
#include "wss.h"

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
		uint64_t offset;
		char c;

		r.first_ns = clock_now_ns();
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

int life_start(struct parent *p, const struct life *life, char ref[MITOSIS_REF_MAX])
{
	if (parent_start(p, live, life))
		return -1;
	if (!read_exactly(p->report, ref, MITOSIS_REF_MAX))
		return 0;
	parent_end(p);
	return -1;
}

int report_read(struct child *c, struct report *r)
{
	*r = (struct report){ 0 };
	if (child_read(c, r, sizeof(*r)))
		return 0;		/* it has ended: why, its status tells */
	if (r->magic == REPORT_MAGIC)
		return 0;
	tool_error("mitosis-child", "the parent is no mitosis-resume --serve of this version");
	return -1;
}
