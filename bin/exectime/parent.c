// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * parent.c - the life of a parent, and of each child of its snapshot from there on: see exectime.h.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "children.h"
#include "clock.h"
#include "exectime/exectime.h"
#include "library.h"
#include "measure/criu.h"
#include "mitosis.h"
#include "tool.h"

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

static void execute_in_fork(struct wss *w, const struct work *k, int report)
{
	struct result r;
	pid_t pid = fork();
	int status;

	if (!pid) {
		r = pass(w, k, PHASE_FORK, w->seed);
		result_tell(report, &r);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || status)
		_exit(STATUS_FAILED);
}

static void __attribute__((noreturn))
execute_as_child(struct wss *w, const struct life *l, uint64_t first_ns)
{
	for (enum phase phase = PHASE_CHILD; phase <= PHASE_CHILD2; phase++) {
		struct result r;

		/* A process that CRIU restored has nothing but the kernel's faults. */
		if (l->criu)
			r = pass(w, &l->work, phase, w->seed);
		else
			r = child_pass(w, &l->work, phase);
		if (phase == PHASE_CHILD)
			r.first_ns = first_ns + (l->criu ? criu_clock_offset() : 0);
		result_tell(1, &r);
	}
	_exit(0);
}

void live(const void *data, int report, int until)
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
	result_tell(report, &r);
	for (uint64_t page = 0; page < w.pages; page++)
		wss_fill_page(&w, page, w.seed);
	r = pass(&w, k, PHASE_WARM, w.seed);
	result_tell(report, &r);

	if (l->fork) {
		execute_in_fork(&w, k, report);
		/* Take the pages back, so that prepare starts from memory of its own. */
		for (uint64_t page = 0; page < w.pages; page++)
			wss_fill_page(&w, page, w.seed);
	}
	if (l->criu)
		criu_wait(report, until);
	if (l->criu || parent_prepare(l->engine, l->listen, ref))
		execute_as_child(&w, l, clock_now_ns());
	r = pass(&w, k, PHASE_COW, w.seed + 1);
	result_tell(report, &r);
	if (write_exactly(report, ref, sizeof(ref)))
		_exit(STATUS_FAILED);
	parent_wait(until);
}

int parent_hear(struct plan *p, const struct life *life, const struct parent *parent, uint64_t iter,
		char ref[MITOSIS_REF_MAX])
{
	/* cow is of engines that leave the parent running. */
	int phases = 2 + life->fork + !life->criu, err = 0;

	for (int i = 0; i < phases && !err; i++)
		err = result_take(p, life->engine, iter, parent->report);
	return err ? err : read_exactly(parent->report, ref, MITOSIS_REF_MAX);
}
