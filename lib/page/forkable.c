// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* forkable.c - see forkable.h. */
#include "page/forkable.h"
#include "api/log.h"
#include "capture/borrow.h"
#include "page/registered.h"
#include "private/supervise.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static uint64_t end_of(const struct descriptor_extent *e)
{
	return e->start + e->pages * PAGE_BYTES;
}

/* All of the area without what the parent had marked itself. */
static int allow(struct frozen *f, const struct area *area, const struct pager_options *o)
{
	uint64_t start = area->start, end = area->end;
	int err = 0;

	for (uint32_t i = 0; start < end && !err; i++) {
		uint64_t to = end, next = end;
		long ret;

		if (i < o->unforked_count) {
			if (end_of(&o->unforked[i]) <= start)
				continue;
			if (o->unforked[i].start < end) {
				to = o->unforked[i].start;
				next = end_of(&o->unforked[i]);
			}
		}
		/* What it has unmapped meanwhile is no loss. */
		if (to > start)
			err = tracee_call(&f->threads[f->first].tracee, &f->space, &ret,
					  SYS_madvise, start, to - start, MADV_DOFORK);
		start = next;
	}
	return err;
}

static int make(const struct forkable *forkable, struct frozen *f, const struct pager_options *o)
{
	struct area_list areas = { 0 };
	int err = freeze(f), also;

	if (err) {
		freeze_leave(f);
		return err;
	}
	if (!forkable->listen(forkable->data))
		err = -ESRCH;
	if (!err)
		err = forkable->list(forkable->data, &areas);
	if (!err && areas.count)
		err = borrow(f, &f->threads[f->first]);
	for (size_t i = 0; i < areas.count && !err; i++)
		err = allow(f, &areas.areas[i], o);
	if (!err)
		forkable->done(forkable->data, &areas);
	area_list_free(&areas);
	also = thaw(f);
	return err ? err : also;
}

static void listen_to(void *data)
{
	const struct forkable *forkable = data;

	forkable->listen(forkable->data);
}

void forkable_make(const struct forkable *forkable, const struct pager *g)
{
	/*
	 * Whether a signal has a handler is not asked: a call that one interrupted ends with EINTR.
	 */
	struct frozen f = { .pid = g->child_pid, .pidfd = -1, .caught = ~0ULL,
			    .meanwhile = listen_to, .data = (void *)forkable };
	struct workspace memory = { 0 };
	char path[40];
	struct stat st;
	int err = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", g->child_pid);
	if (stat(path, &st))
		err = -ESRCH;
	if (!err) {
		f.room = 2 * (uint32_t)st.st_nlink + 64;
		f.memory = &memory;
		err = workspace_open(&memory, f.room);
	}
	if (!err)
		err = make(forkable, &f, &g->options);
	workspace_close(&memory);
	/* It may have ended meanwhile. */
	if (err && err != -ESRCH)
		log_warning("%s: the child cannot be made ready to fork (%s): a process that it forks will be killed",
			    g->options.object, f.why[0] ? f.why : strerror(-err));
	/* Its SIGCHLD has been taken here (capture/freeze.c). */
	supervise_look(g->child_pid);
}
