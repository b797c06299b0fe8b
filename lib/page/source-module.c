// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * source-module.c - the kernel module brings a child's pages: it is the file behind its memory, and
 * answers faults without anybody's help. What is left to do here is to ask for pages before they
 * are touched.
 */
#include "api/log.h"
#include "engine/remote.h"
#include "page/workingset-file.h"
#include "page/pager.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#define PUSH_CHUNK	64u		/* pages; signals are heard in between */

static struct {
	uint32_t pushed;		/* extents that were asked for */
	uint64_t done;			/* pages of the next one */
	bool replayed;
} source;

static int start(struct pager *g)
{
	struct epoll_event e = { .data.fd = g->options.backing_fd };	/* errors only */

	return epoll_ctl(g->epoll, EPOLL_CTL_ADD, g->options.backing_fd, &e) ? -errno : 0;
}

/*
 * The snapshot is lost, told once: the child notices with SIGBUS when it touches a page that is not
 * there.
 */
static void event(struct pager *g, int fd)
{
	epoll_ctl(g->epoll, EPOLL_CTL_DEL, fd, NULL);
	source.pushed = g->options.backed_count;
}

/*
 * A working set first, in one call; then what there is, some at a time, so that signals are heard.
 */
static void push(struct pager *g)
{
	const struct workingset *set = g->options.replay;
	struct descriptor_extent next;

	if (!g->ready)
		return;
	if (set && !source.replayed) {
		int error = remote_prefetch(g->options.backing_fd, set->extents, set->count);

		source.replayed = true;
		/* Pages of it that cannot be had are the child's affair, when it touches them. */
		if (error)
			log_warning("%s: the working set is not fetched first: %s",
				    g->options.object, strerror(-error));
	}
	if (!g->options.push || source.pushed == g->options.backed_count)
		return;
	next = g->options.backed[source.pushed];
	next.start += source.done * PAGE_BYTES;
	next.pages -= source.done;
	if (next.pages > PUSH_CHUNK)
		next.pages = PUSH_CHUNK;
	if (remote_prefetch(g->options.backing_fd, &next, 1)) {
		source.pushed = g->options.backed_count;
		return;
	}
	source.done += next.pages;
	if (source.done == g->options.backed[source.pushed].pages) {
		source.pushed++;
		source.done = 0;
	}
}

static int patience(const struct pager *g)
{
	return g->ready && g->options.push && source.pushed < g->options.backed_count ? 0 : -1;
}

/* Nothing that a fork would lack: a copy of the child has the same file behind its memory. */
static uint64_t missing(const struct pager *g)
{
	return 0;
}

static void stats(struct pager *g, struct control_message *m)
{
	remote_stats(g->options.backing_fd, m);
}

static void end(struct pager *g)
{
	uint64_t address;
	int error = remote_lost(g->options.backing_fd, &address);

	if (error && address)
		log_error("%s: the page at 0x%llx cannot be had: %s", g->options.object,
			  (unsigned long long)address, remote_reason(error));
	if (!g->options.record_path)
		return;
	error = remote_recorded(g->options.backing_fd, g->options.record);
	if (!error)
		workingset_write(g->options.record, g->options.record_path);
	else
		log_error("%s: not written: what was touched cannot be had: %s",
			  g->options.record_path, strerror(-error));
}

const struct page_source source_module = {
	.name = "module",
	.start = start,
	.event = event,
	.push = push,
	.patience = patience,
	.missing = missing,
	.stats = stats,
	.end = end,
};
