// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * pager.c - one thread, one epoll loop beside a running child: it hears signals, the child's own
 * questions and the source of its memory (source.h), until the child ends.
 */
#include "api/log.h"
#include "page/areas.h"
#include "page/pager.h"
#include "restore/restorer.h"
#include "private/supervise.h"
#include "restore/publish.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

uint64_t pager_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

void pager_give_up(struct pager *g, const char *why, uint64_t missing)
{
	log_error("%s: %s, with %llu pages missing: child killed", g->options.object, why,
		  (unsigned long long)missing);
	if (!g->ready)
		publish_undo();
	supervise_kill(g->child_pid);
}

bool pager_watch(struct pager *g, int fd)
{
	struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };

	return !epoll_ctl(g->epoll, EPOLL_CTL_ADD, fd, &e);
}

static const char *const step_names[] = {
#define STEP(number, text) [number] = text,
	RESTORE_STEPS(STEP)
#undef STEP
};

/* Whoever measures wants to know. */
static void notify(struct pager *g)
{
	uint64_t now = pager_now_ns();

	if (!g->options.notify_fd)
		return;
	if (write(g->options.notify_fd, &now, sizeof(now)) != (ssize_t)sizeof(now))
		log_warning("%s: descriptor %d: %s", g->options.object, g->options.notify_fd,
			    strerror(errno));
	close(g->options.notify_fd);
	g->options.notify_fd = 0;
}

/* All is here: core dumps hold what they would hold of the parent (start.c). */
static void give_core_back(struct pager *g)
{
	const struct page_source *source = g->options.source;
	unsigned long long filter;
	char path[40];
	bool done;
	FILE *f;
	int tid;

	if (!g->ready || !g->core_withheld)
		return;
	if (source->missing(g) && !(g->is_silent && source->has_left && source->has_left(g)))
		return;
	tid = areas_thread(g->child_pid);
	snprintf(path, sizeof(path), "/proc/%d/coredump_filter", tid ? tid : g->child_pid);
	errno = 0;
	f = fopen(path, "r+e");
	done = f && fscanf(f, "%llx", &filter) == 1;
	if (done) {
		rewind(f);
		done = fprintf(f, "0x%llx", filter | (unsigned long long)g->core_withheld) > 0;
	}
	if (f && fclose(f))
		done = false;
	/* It has ended: the file is empty (no error), or ESRCH, or there is none. */
	if (!done && errno && errno != ESRCH && errno != ENOENT)
		log_warning("%s: %s: %s: core dumps of the child lack its memory",
			    g->options.object, path, strerror(errno));
	g->core_withheld = 0;
}

static void tell_failure(struct pager *g, const struct control_message *m)
{
	log_error("%s: cannot resume: %s at 0x%llx: %s", g->options.object,
		  m->step < ARRAY_SIZE(step_names) ? step_names[m->step] : "restoring",
		  (unsigned long long)m->address, strerror(-m->error));
	publish_undo();
}

static void child_says(struct pager *g)
{
	struct control_message m;
	ssize_t n = recv(g->control_fd, &m, sizeof(m), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n != (ssize_t)sizeof(m)) {
		/* Closed by the program, or it ended: SIGCHLD will tell. */
		epoll_ctl(g->epoll, EPOLL_CTL_DEL, g->control_fd, NULL);
		g->is_silent = true;
		return;
	}
	switch (m.type) {
	case CONTROL_READY:
		g->ready = true;
		g->core_withheld = m.address;
		notify(g);
		break;
	case CONTROL_FAILED:
		tell_failure(g, &m);
		supervise_kill(g->child_pid);
	case CONTROL_DRAIN:
		g->draining = true;
		break;
	case CONTROL_STATS:
		g->counters.type = CONTROL_STATS;
		g->options.source->stats(g, &g->counters);
		give_core_back(g);
		send(g->control_fd, &g->counters, sizeof(g->counters), MSG_NOSIGNAL | MSG_DONTWAIT);
		break;
	}
}

static void end_drain(struct pager *g)
{
	struct control_message m = { .type = CONTROL_DRAIN };

	g->draining = false;
	send(g->control_fd, &m, sizeof(m), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void discard_stdin(struct pager *g)
{
	char buffer[4096];
	ssize_t n = read(0, buffer, sizeof(buffer));

	if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
		epoll_ctl(g->epoll, EPOLL_CTL_DEL, 0, NULL);
}

/* What a child has said before it ended, which is heard of first. */
static void last_words(struct pager *g)
{
	struct control_message m;

	while (recv(g->control_fd, &m, sizeof(m), MSG_DONTWAIT) == (ssize_t)sizeof(m)) {
		if (m.type == CONTROL_FAILED)
			tell_failure(g, &m);
		g->ready |= m.type == CONTROL_READY;
	}
}

static void at_end(void *data)
{
	struct pager *g = data;

	last_words(g);
	/* It has never run. */
	if (!g->ready)
		publish_undo();
	g->options.source->end(g);
}

/* The supervisor and its memory have come up, or the child never runs. */
static void begin(struct pager *g)
{
	int err = 0;

	g->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (g->epoll < 0)
		err = -errno;
	g->signal_fd = supervise_begin();
	if (!err && g->signal_fd < 0)
		err = g->signal_fd;
	if (!err && (!pager_watch(g, g->signal_fd) || !pager_watch(g, g->control_fd)))
		err = -errno;
	if (!err)
		err = g->options.source->start(g);
	if (err)
		pager_give_up(g, strerror(-err), g->options.source->missing(g));
	/* A file is always readable and cannot be watched: it needs no draining either. */
	if (g->options.drain_stdin)
		pager_watch(g, 0);
	supervise_at_end(at_end, g);
}

void pager_run(int child_pid, int control_fd, const struct pager_options *options)
{
	static struct pager pager;
	struct pager *g = &pager;

	*g = (struct pager){ .options = *options,
			     .child_pid = child_pid,
			     .control_fd = control_fd };
	g->counters.hot_pages = options->hot_pages;
	begin(g);
	supervise_signals(g->signal_fd, g->child_pid);	/* it may have ended already */
	for (;;) {
		struct epoll_event events[8];
		int n = epoll_wait(g->epoll, events, ARRAY_SIZE(events),
				   g->options.source->patience(g));

		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;

			if (fd == g->signal_fd)
				supervise_signals(g->signal_fd, g->child_pid);
			else if (fd == g->control_fd)
				child_says(g);
			else if (fd == 0)
				discard_stdin(g);
			else
				g->options.source->event(g, fd);
		}
		g->options.source->push(g);
		give_core_back(g);
		if (g->draining && !g->options.source->missing(g))
			end_drain(g);
	}
}
