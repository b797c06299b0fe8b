// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * source-socket.c - brings a child's missing pages: from the shadow over the connection to it, or,
 * on the shadow's own host, by having it put them into place (placer.h).
 *
 * A fault becomes a READ of up to `window` pages; in the quiet between faults the background push
 * asks for the rest, in address order. Replies come in the order of the requests; a page goes where
 * its source address belongs at that moment (pages.h), so it does not matter what the child did to
 * its address space in between.
 *
 * Where the shadow places the pages, one request is under way at a time, and its answer is awaited:
 * the child's address space must not be known to have changed while the shadow writes into it. As
 * long as the event of a change was not read, the kernel lets nobody write there (EAGAIN).
 *
 * The kernel's rules that shape the code:
 *  - While the child is inside fork, mremap, munmap or madvise, UFFDIO_COPY says EAGAIN until the
 *    event was read. Reads of a userfaultfd return faults before events, so a fault at an address
 *    whose move is not known yet may come first: it is kept and looked at again after the events.
 *  - EEXIST: the page is there already; the thread that waits for it must be woken all the same.
 *  - ESRCH: the child is gone or has called exec; the supervisor learns it by SIGCHLD.
 *  - ENOENT: not registered (any more): the child has unmapped it and the event is on its way.
 *  - If the last descriptor of a userfaultfd closes, missing pages read as zero: the child keeps a
 *    duplicate and dies with its supervisor (PR_SET_PDEATHSIG).
 */
#include "api/log.h"
#include "net/own-host.h"
#include "page/letting-go.h"
#include "page/pager.h"
#include "page/pages.h"
#include "page/placer.h"
#include "page/registered.h"
#include "page/workingset-file.h"
#include "restore/restorer.h"
#include "private/supervise.h"

#include <errno.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "format/wire.h"

/*
 * Pages that a push asks for at once, and that a fault may have to wait for: on its own host they
 * take no longer than a few on a network.
 */
#define PUSH_CHUNK	64u
#define PUSH_CHUNK_OWN	256u
#define PUSHES		2u		/* under way at a time */
#define REPLAYS		16u		/* the same while a working set is replayed */
#define REPLAY_CHUNK	256u
#define REQUESTS_MAX	64u
#define RECEIVE_BYTES	(512u << 10)
#define RETRY_MS 1 /* while an event of the child is announced but not readable */

struct request {
	uint64_t source;		/* of the next page to come */
	uint32_t pages;			/* still to come */
	bool push;
};

#define ANSWERED (~0ULL)

struct fault {
	uint64_t address;		/* ANSWERED: by what was done for another one */
	bool write;
};

struct socket_source {
	struct pager *pager;
	struct pages pages;
	int uffd, socket_fd;
	int place_fd;			/* -1: pages come over socket_fd */
	bool placed;			/* it has the userfaultfd */
	bool pushing;			/* there is more to be pushed at once */
	bool gone;			/* the child has no use for pages any more */
	bool registered;		/* its areas have not been let go yet */
	uint64_t push_next;		/* page number */
	uint64_t push_limit;		/* pages that the background may bring */
	uint32_t pushes, push_chunk;
	uint32_t replay_next;		/* extent of the working set */
	uint64_t replay_done;		/* pages of it */
	bool listening;			/* to socket_fd */

	struct request requests[REQUESTS_MAX];
	uint32_t request_first, request_count;
	/* when the shadow last sent something, or was asked first */
	uint64_t heard_ns;

	struct fault *faults;		/* threads that wait for a page */
	uint32_t fault_count, fault_room;
	bool retry;			/* one of them could not be answered for the moment */

	uint8_t *buffer, *zeros;
	size_t have;
	struct wire_frame frame;	/* DATA whose payload is being received */
	uint32_t payload;		/* bytes of it still to come */
};

static struct socket_source the_source;

static __attribute__((noreturn)) void give_up(struct socket_source *s, const char *why)
{
	pager_give_up(s->pager, why, s->pages.missing);
}

/* The child has no use for pages any more: it ended, or became another program. */
static void stop_paging(struct socket_source *s)
{
	s->gone = true;
	s->pages.missing = 0;
	s->fault_count = 0;
	if (s->uffd >= 0)
		close(s->uffd);
	if (s->socket_fd >= 0)
		close(s->socket_fd);
	if (s->place_fd >= 0)
		close(s->place_fd);
	s->uffd = -1;
	s->socket_fd = -1;
	s->place_fd = -1;
}

static void keep_fault(struct socket_source *s, struct fault f)
{
	if (s->fault_count == s->fault_room) {
		uint32_t room = s->fault_room ? 2 * s->fault_room : 64;
		struct fault *more = realloc(s->faults, room * sizeof(*more));

		if (!more)
			give_up(s, "out of memory");
		s->faults = more;
		s->fault_room = room;
	}
	s->faults[s->fault_count++] = f;
}

struct gap {
	struct pages *pages;
	uint64_t at, end;
};

static int unmap_gap(uint64_t start, uint64_t end, void *data)
{
	struct gap *gap = data;
	int err = start > gap->at
			  ? pages_unmapped(gap->pages, gap->at, start < gap->end ? start : gap->end)
			  : 0;

	if (end > gap->at)
		gap->at = end;
	return err;
}

/*
 * Events of several threads are queued after the deed, so their order may differ: when a place was
 * left and another area moved into it, the first thread's UNMAP may come behind the second's REMAP.
 * What was moved in and is still there stays.
 */
static int unmapped(struct socket_source *s, uint64_t start, uint64_t end)
{
	struct gap gap = { &s->pages, start, end };
	int err;

	if (!pages_moved_into(&s->pages, start, end))
		return pages_unmapped(&s->pages, start, end);
	err = registered_each(s->pager->child_pid, start, end, unmap_gap, &gap);
	return !err && gap.at < end ? pages_unmapped(&s->pages, gap.at, end) : err;
}

/* Read what the userfaultfd has: changes take effect at once, faults are kept for later. */
static bool read_events(struct socket_source *s)
{
	struct uffd_msg m[16];
	ssize_t n = read(s->uffd, m, sizeof(m));
	int err = 0;

	if (n <= 0)
		return false;
	for (size_t i = 0; i < (size_t)n / sizeof(m[0]); i++) {
		switch (m[i].event) {
		case UFFD_EVENT_PAGEFAULT:
			s->pager->counters.faults++;
			keep_fault(s, (struct fault){
				.address = m[i].arg.pagefault.address & ~(PAGE_BYTES - 1),
				.write = m[i].arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WRITE,
			});
			break;
		case UFFD_EVENT_REMOVE:
			pages_removed(&s->pages, m[i].arg.remove.start, m[i].arg.remove.end);
			break;
		case UFFD_EVENT_UNMAP:
			err = unmapped(s, m[i].arg.remove.start, m[i].arg.remove.end);
			break;
		case UFFD_EVENT_REMAP:
			err = pages_remapped(&s->pages, m[i].arg.remap.from, m[i].arg.remap.to,
					     m[i].arg.remap.len);
			break;
		}
		if (err)
			give_up(s, strerror(-err));
	}
	return true;
}

/* The kernel wants events read before it lets us go on. */
static void await_event(struct socket_source *s)
{
	struct pollfd p = { .fd = s->uffd, .events = POLLIN };

	if (!read_events(s)) {
		poll(&p, 1, RETRY_MS);
		supervise_signals(s->pager->signal_fd, s->pager->child_pid);
	}
}

static void wake(struct socket_source *s, uint64_t address, uint64_t bytes)
{
	struct uffdio_range r = { address, bytes };

	ioctl(s->uffd, UFFDIO_WAKE, &r);
}

enum placed { PLACED, PLACED_AGAIN, PLACED_NOWHERE };

/* What follows of an errno of UFFDIO_COPY. PLACED: there is no child any more. */
static enum placed not_placed(struct socket_source *s, int error)
{
	switch (error) {
	case EAGAIN:
		return PLACED_AGAIN;
	case ENOENT:
		return PLACED_NOWHERE;
	case ESRCH:
		stop_paging(s);
		return PLACED;
	case ENOMEM:
		give_up(s, "no memory for its pages on this host");
	default:
		give_up(s, strerror(error));
	}
}

/*
 * Put bytes of content (NULL: the zero page) at a current address. *done is how much of it is in
 * the child now, which may be less than asked when PLACED_AGAIN asks to look again.
 */
static enum placed place(struct socket_source *s, uint64_t address, const uint8_t *content,
			 uint64_t bytes, uint64_t *done)
{
	*done = 0;
	while (*done < bytes) {
		struct uffdio_copy copy = {
			.dst = address + *done,
			.src = (uint64_t)(uintptr_t)content + *done,
			.len = bytes - *done,
		};
		struct uffdio_zeropage zero = { .range = { address + *done, bytes - *done } };
		int ret = content ? ioctl(s->uffd, UFFDIO_COPY, &copy)
				  : ioctl(s->uffd, UFFDIO_ZEROPAGE, &zero);
		int64_t got = content ? copy.copy : zero.zeropage;

		if (!ret) {
			*done = bytes;
			return PLACED;
		}
		if (got > 0) {
			*done += (uint64_t)got;
			continue;
		}
		if (errno != EEXIST)
			return not_placed(s, errno);
		wake(s, address + *done, PAGE_BYTES);
		*done += PAGE_BYTES;
	}
	return PLACED;
}

/* The threads that waited for these pages run again. */
static void drop_faults(struct socket_source *s, uint64_t address, uint64_t bytes)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < s->fault_count; i++)
		if (s->faults[i].address - address >= bytes)
			s->faults[kept++] = s->faults[i];
	s->fault_count = kept;
}

/* A run of pages arrived; content NULL says that they are zeros. */
static void deliver(struct socket_source *s, uint64_t source, const uint8_t *content,
		    uint64_t count)
{
	uint64_t first = pages_find_source(&s->pages, source), i = 0;

	s->pager->counters.fetched_pages += count;
	for (uint64_t k = 0; k < count; k++)
		pages_set_asked(&s->pages, first + k, false);
	while (i < count && !s->gone) {
		uint64_t address = pages_current(&s->pages, source + i * PAGE_BYTES), n = 1, done;
		enum placed placed;

		if (!pages_is_missing(&s->pages, first + i) || !address) {
			i++;
			continue;
		}
		while (i + n < count && pages_is_missing(&s->pages, first + i + n) &&
		       pages_current(&s->pages, source + (i + n) * PAGE_BYTES) ==
			       address + n * PAGE_BYTES)
			n++;
		placed = place(s, address, content ? content + i * PAGE_BYTES : NULL,
			       n * PAGE_BYTES, &done);
		for (uint64_t k = 0; k < done / PAGE_BYTES; k++)
			pages_set_arrived(&s->pages, first + i + k);
		drop_faults(s, address, done);
		i += done / PAGE_BYTES;
		if (placed == PLACED_AGAIN) {
			await_event(s);
		} else if (placed == PLACED_NOWHERE) {
			/* Unmapped; the event says so soon. Until then it stays missing. */
			if (!read_events(s))
				i++;
		}
	}
}

static void ask(struct socket_source *s, uint64_t page, uint32_t count, bool push)
{
	uint64_t source = pages_source(&s->pages, page);
	struct wire_frame f = { .type = WIRE_READ, .address = source, .pages = count };
	struct request *r = &s->requests[(s->request_first + s->request_count) % REQUESTS_MAX];

	if (!s->request_count)
		s->heard_ns = pager_now_ns();
	*r = (struct request){ source, count, push };
	s->request_count++;
	s->pushes += push;
	for (uint32_t i = 0; i < count; i++)
		pages_set_asked(&s->pages, page + i, true);
	/* Requests are small and few; a full send buffer means a dead peer. */
	if (send(s->socket_fd, &f, sizeof(f), MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)sizeof(f))
		give_up(s, "connection to the snapshot lost");
}

/* Wait for the shadow's answer. The child's signals and end are heard of meanwhile. */
static void await_placed(struct socket_source *s)
{
	struct pollfd p[] = { { .fd = s->place_fd, .events = POLLIN },
			      { .fd = s->pager->signal_fd, .events = POLLIN } };
	const uint64_t begin = pager_now_ns(), limit = s->pager->options.timeout_ms * 1000000ULL;

	for (;;) {
		uint64_t spent = pager_now_ns() - begin;
		int n = poll(p, 2, spent < limit ? (int)((limit - spent) / 1000000) + 1 : 0);

		if (n > 0 && p[0].revents)
			return;
		if (n > 0)
			supervise_signals(s->pager->signal_fd, s->pager->child_pid);
		else if (!n && spent >= limit)
			give_up(s, "no answer from the parent's host in time");
	}
}

/* What the shadow is asked to put in place at once. */
struct batch {
	struct wire_place runs[WIRE_PLACE_RUNS];
	uint64_t first[WIRE_PLACE_RUNS];	/* page of each */
	uint32_t count, pages;
};

/* Add up to count missing pages; how many were, fewer where there is no room for all. */
static uint32_t batch_add(const struct socket_source *s, struct batch *b, uint64_t page,
			  uint32_t count)
{
	uint32_t added = 0;

	while (added < count && b->count < WIRE_PLACE_RUNS && b->pages < PUSH_CHUNK_OWN) {
		uint64_t source = pages_source(&s->pages, page + added),
			 address = pages_current(&s->pages, source);
		uint32_t n = 1;

		while (added + n < count && b->pages + n < PUSH_CHUNK_OWN &&
		       pages_current(&s->pages, source + n * PAGE_BYTES) ==
			       (address ? address + n * PAGE_BYTES : 0))
			n++;
		b->first[b->count] = page + added;
		b->runs[b->count++] = (struct wire_place){ source, address, n, 0 };
		b->pages += n;
		added += n;
	}
	return added;
}

static void ask_to_place(struct socket_source *s, const struct batch *b, uint32_t *done,
			 int *error)
{
	uint32_t left;

	if (placer_ask(s->place_fd, s->placed ? -1 : s->uffd, b->runs, b->count, b->pages))
		give_up(s, "connection to the snapshot lost");
	s->placed = true;
	await_placed(s);
	if (placer_answer(s->place_fd, b->pages, done, error))
		give_up(s, "connection to the snapshot lost");
	s->pager->counters.fetched_pages += *done;
	left = *done;
	for (uint32_t i = 0; left; i++)
		for (uint32_t k = 0; k < b->runs[i].pages && left; k++, left--)
			pages_set_arrived(&s->pages, b->first[i] + k);
}

/*
 * Have the pages put into the child's memory; *done, the first ones, are there now. PLACED also
 * when these are fewer than all, since the address space is another from there on.
 */
static enum placed have_placed(struct socket_source *s, struct batch *b, uint32_t *done)
{
	int error;

	ask_to_place(s, b, done, &error);
	/* Perhaps the child has divided an area: one page is in one. */
	if (!*done && error == ENOENT && b->runs[0].pages > 1) {
		b->runs[0].pages = b->count = b->pages = 1;
		ask_to_place(s, b, done, &error);
	}
	if (*done)
		return PLACED;
	switch (error) {
	case EMFILE:
		log_info("%s: pages come by TCP: the shadow can have no more descriptors",
			 s->pager->options.object);
		close(s->place_fd);
		s->place_fd = -1;
		return PLACED_AGAIN;
	case EFAULT:
		give_up(s, "the parent's host refused to send a page");
	default:
		return not_placed(s, error);
	}
}

/* How many pages from this one on can be asked for in one go. */
static uint32_t run_of(const struct socket_source *s, uint64_t page, uint32_t most)
{
	uint64_t end = pages_extent_end(&s->pages, page);
	uint32_t n = 0;

	while (n < most && page + n < end && pages_is_missing(&s->pages, page + n) &&
	       !pages_is_asked(&s->pages, page + n))
		n++;
	return n;
}

/* A page that the parent never had, or that the child threw away: zeros are due. */
static bool answer_zero(struct socket_source *s, const struct fault *f)
{
	uint64_t done;

	/* A write would fault a second time on the shared zero page. */
	switch (place(s, f->address, f->write ? s->zeros : NULL, PAGE_BYTES, &done)) {
	case PLACED:
		s->pager->counters.zero_faults++;
		return true;
	case PLACED_NOWHERE:
		wake(s, f->address, PAGE_BYTES);	/* it will fault again, or die of its own */
		return true;
	default:
		return false;
	}
}

/*
 * The working set is what had to be fetched: hot pages come by themselves, and a page that the
 * parent never had costs no transfer.
 */
static void record(struct socket_source *s, uint64_t page)
{
	if (s->pager->options.record_path &&
	    workingset_add(s->pager->options.record, pages_source(&s->pages, page)))
		give_up(s, "out of memory");
}

/* False: not now. Later faults in the list, from this one on, may be answered by it, too. */
static bool answer_by_placing(struct socket_source *s, uint64_t page, uint32_t later)
{
	uint64_t address = s->faults[later - 1].address;
	struct batch b = { 0 };
	uint32_t done;

	batch_add(s, &b, page, run_of(s, page, s->pager->options.window));
	if (have_placed(s, &b, &done) != PLACED)
		return false;
	record(s, page);
	for (uint32_t i = later; i < s->fault_count; i++)
		if (s->faults[i].address - address < done * PAGE_BYTES &&
		    s->faults[i].address - address < b.runs[0].pages * PAGE_BYTES)
			s->faults[i].address = ANSWERED;
	return true;
}

/*
 * Answer what can be answered. A fault stays in the list until its page is in place, since the page
 * it waits for may be moved or thrown away by another thread in the meantime.
 */
static void answer_faults(struct socket_source *s)
{
	uint32_t kept = 0, count = s->fault_count;

	s->retry = false;
	for (uint32_t i = 0; i < count && !s->gone; i++) {
		struct fault f = s->faults[i];
		uint64_t page;

		if (f.address == ANSWERED)
			continue;
		page = pages_find(&s->pages, f.address);
		if (page == NO_PAGE || !pages_is_missing(&s->pages, page)) {
			if (answer_zero(s, &f))
				continue;
			s->retry = true;
		} else if (s->place_fd >= 0) {
			if (answer_by_placing(s, page, i + 1))
				continue;
			s->retry = true;
		} else if (!pages_is_asked(&s->pages, page) && s->request_count < REQUESTS_MAX) {
			record(s, page);
			ask(s, page, run_of(s, page, s->pager->options.window), false);
		}
		s->faults[kept++] = f;
	}
	s->fault_count = s->gone ? 0 : kept;
}

/*
 * The next pages of the working set, in its order: how many of them from *page on are missing, at
 * most REPLAY_CHUNK; 0: it has no more. Pages that are here, or that the snapshot lacks, are passed
 * over.
 */
static uint32_t replay_next(struct socket_source *s, uint64_t *page)
{
	const struct workingset *w = s->pager->options.replay;

	while (w && s->replay_next < w->count) {
		const struct descriptor_extent *e = &w->extents[s->replay_next];
		uint64_t left = e->pages - s->replay_done;
		uint32_t n;

		if (!left) {
			s->replay_next++;
			s->replay_done = 0;
			continue;
		}
		*page = pages_find_source(&s->pages, e->start + s->replay_done * PAGE_BYTES);
		n = *page == NO_PAGE ? 0
				     : run_of(s, *page, left < REPLAY_CHUNK ? (uint32_t)left
									     : REPLAY_CHUNK);
		if (n)
			return n;
		s->replay_done++;
	}
	return 0;
}

/* Ask for the working set; false: more of it is to come. */
static bool replay(struct socket_source *s)
{
	uint64_t page;
	uint32_t n;

	while (s->pushes < REPLAYS && s->request_count < REQUESTS_MAX) {
		n = replay_next(s, &page);
		if (!n)
			return true;
		ask(s, page, n, true);
		s->pager->counters.pushed_pages += n;
		s->replay_done += n;
	}
	return !replay_next(s, &page);
}

/* The same, of the rest in address order. */
static void push(struct socket_source *s)
{
	while (s->pushes < PUSHES && s->request_count < REQUESTS_MAX && s->pages.missing &&
	       (s->pager->draining || s->pager->counters.pushed_pages < s->push_limit)) {
		uint32_t n;

		if (s->push_next >= s->pages.total) {
			/* A page can be left behind when the child moved it while it travelled. */
			if (!s->pager->draining || s->request_count)
				return;
			s->push_next = 0;
		}
		n = run_of(s, s->push_next, s->push_chunk);
		if (!n) {
			s->push_next++;
			continue;
		}
		ask(s, s->push_next, n, true);
		s->pager->counters.pushed_pages += n;
		s->push_next += n;
	}
}

/*
 * Have a batch put in place that nobody waits for yet, of the working set first. Of what cannot be
 * there now, the first page is passed over if it has no place any more.
 */
static void push_by_placing(struct socket_source *s)
{
	const uint32_t extent = s->replay_next;
	const uint64_t extent_done = s->replay_done;
	struct batch b = { 0 };
	enum placed placed;
	uint64_t page;
	uint32_t n, done;

	while ((n = replay_next(s, &page)) && (n = batch_add(s, &b, page, n)))
		s->replay_done += n;
	if (!b.count && s->pages.missing &&
	    (s->pager->draining || s->pager->counters.pushed_pages < s->push_limit)) {
		if (s->push_next >= s->pages.total && s->pager->draining)
			s->push_next = 0;
		while (s->push_next < s->pages.total) {
			n = run_of(s, s->push_next, s->push_chunk);
			if (n)
				n = batch_add(s, &b, s->push_next, n);
			else if (!pages_is_missing(&s->pages, s->push_next))
				n = 1;
			if (!n)
				break;
			s->push_next += n;
		}
	}
	s->pushing = b.count;
	if (!b.count)
		return;
	placed = have_placed(s, &b, &done);
	s->pager->counters.pushed_pages += done;
	if (done == b.pages || s->gone)
		return;
	s->retry |= placed == PLACED_AGAIN;
	/* What is left of the batch is still missing, and found again. */
	if (s->replay_next != extent || s->replay_done != extent_done) {
		s->replay_next = extent;
		s->replay_done = extent_done;
		if (placed == PLACED_NOWHERE && replay_next(s, &page))
			s->replay_done++;
	} else {
		s->push_next = b.first[0] + (placed == PLACED_NOWHERE);
	}
}

static bool listen_to(void *data)
{
	struct socket_source *s = data;

	while (s->uffd >= 0 && read_events(s))
		;
	if (s->uffd >= 0)
		answer_faults(s);
	return s->uffd >= 0;
}

/* ---- the connection ---- */

static void check_frame(struct socket_source *s, const struct wire_frame *f)
{
	struct request *r = &s->requests[s->request_first];

	if (f->type == WIRE_ERROR)
		give_up(s, "the parent's host refused to send a page");
	if (!s->request_count || f->address != r->source || !f->pages || f->pages > r->pages ||
	    (f->type == WIRE_DATA ? f->length != f->pages * PAGE_BYTES
				  : f->type != WIRE_ZERO || f->length))
		give_up(s, "protocol error: unexpected frame");
	r->source += f->pages * PAGE_BYTES;
	r->pages -= f->pages;
}

/* The payload has come too: only then a request is answered, and silence forgiven. */
static void end_frame(struct socket_source *s)
{
	struct request *r = &s->requests[s->request_first];

	if (r->pages)
		return;
	s->pushes -= r->push;
	s->request_first = (s->request_first + 1) % REQUESTS_MAX;
	s->request_count--;
}

/* Take whole frames, and whole pages of an unfinished one, out of the buffer. */
static void parse(struct socket_source *s)
{
	size_t at = 0;

	while (!s->gone) {
		if (!s->payload) {
			if (s->have - at < sizeof(s->frame))
				break;
			memcpy(&s->frame, s->buffer + at, sizeof(s->frame));
			at += sizeof(s->frame);
			check_frame(s, &s->frame);
			s->payload = s->frame.length;
			if (s->frame.type == WIRE_ZERO) {
				deliver(s, s->frame.address, NULL, s->frame.pages);
				end_frame(s);
			}
			continue;
		}
		uint64_t n = s->have - at < s->payload ? (s->have - at) / PAGE_BYTES
						       : s->payload / PAGE_BYTES;

		if (!n)
			break;
		deliver(s, s->frame.address, s->buffer + at, n);
		s->frame.address += n * PAGE_BYTES;
		s->payload -= (uint32_t)(n * PAGE_BYTES);
		at += n * PAGE_BYTES;
		if (!s->payload)
			end_frame(s);
	}
	s->have = s->gone ? 0 : s->have - at;
	memmove(s->buffer, s->buffer + at, s->have);
}

static void receive(struct socket_source *s)
{
	ssize_t n = recv(s->socket_fd, s->buffer + s->have, RECEIVE_BYTES - s->have, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		if (s->pages.missing)
			give_up(s, "connection to the snapshot lost");
		close(s->socket_fd);
		s->socket_fd = -1;
		return;
	}
	s->heard_ns = pager_now_ns();
	s->have += (size_t)n;
	parse(s);
}

/* ---- as the pager's loop sees it ---- */

static int start(struct pager *g)
{
	const struct pager_options *o = &g->options;
	struct socket_source *s = &the_source;
	int err = pages_init(&s->pages, o->missing, o->missing_count);

	s->pager = g;
	s->uffd = o->uffd;
	s->socket_fd = o->socket_fd;
	s->place_fd = o->place_fd;
	s->push_chunk = is_on_own_host(o->socket_fd) ? PUSH_CHUNK_OWN : PUSH_CHUNK;
	s->buffer = malloc(RECEIVE_BYTES);
	s->zeros = calloc(1, PAGE_BYTES);
	for (uint32_t i = 0; i < o->step_count && !err; i++)
		if (o->steps[i].flags & MAP_STEP_UFFD)
			err = pages_add_segment(&s->pages, o->steps[i].start, o->steps[i].end,
						o->steps[i].start);
	if (err || !s->buffer || !s->zeros)
		return err ? err : -ENOMEM;
	s->registered = s->pages.segment_count > 0;
	s->push_limit = o->push ? s->pages.total * o->push_percent / 100 : 0;
	if (o->push && o->push_percent == 100)
		s->push_limit = ~0ULL;
	if (!pager_watch(g, s->uffd))
		return -errno;
	/* What is to come may come before the child is ready for it, but not be put into place. */
	if (s->place_fd < 0)
		replay(s);
	return 0;
}

static void event(struct pager *g, int fd)
{
	struct socket_source *s = &the_source;

	if (fd == s->uffd)
		read_events(s);
	else if (fd == s->socket_fd)
		receive(s);
}

/* Once: what of the child's memory is registered still answers with zeros. */
static void end_paging(struct socket_source *s)
{
	/* The shadow gives the userfaultfd back. */
	if (s->place_fd >= 0)
		close(s->place_fd);
	s->place_fd = -1;
	if (s->registered)
		let_go(s->pager, s->uffd, listen_to, s);
	s->registered = false;
}

/* It may be we who were not let run in time: what has come and was not read yet is no silence. */
static bool has_come(const struct socket_source *s)
{
	struct pollfd p = { .fd = s->socket_fd, .events = POLLIN };

	return s->listening && poll(&p, 1, 0) == 1;
}

static void serve(struct pager *g)
{
	struct socket_source *s = &the_source;

	s->pushing = false;
	if (s->uffd >= 0) {
		answer_faults(s);
		/* Not before: a page that comes while its area is not registered would be lost. */
		if (!s->listening && (g->ready || s->fault_count) && !s->gone) {
			s->listening = true;
			if (!pager_watch(g, s->socket_fd))
				give_up(s, strerror(errno));
		}
		if (g->ready && !s->gone && s->place_fd >= 0)
			push_by_placing(s);
		else if (g->ready && !s->gone && replay(s))
			push(s);
		if (g->ready && !s->gone && !s->pages.missing && !s->request_count &&
		    !s->fault_count)
			end_paging(s);
	}
	if (!s->gone && s->request_count &&
	    pager_now_ns() - s->heard_ns >= g->options.timeout_ms * 1000000ULL && !has_come(s))
		give_up(s, "no answer from the parent's host in time");
}

static int patience(const struct pager *g)
{
	const struct socket_source *s = &the_source;
	uint64_t silence;

	if (s->gone)
		return -1;
	if (s->retry)
		return RETRY_MS;
	if (s->pushing)
		return 0;
	if (!s->request_count)
		return -1;
	silence = (pager_now_ns() - s->heard_ns) / 1000000;
	return silence >= g->options.timeout_ms ? 0 : (int)(g->options.timeout_ms - silence);
}

static uint64_t missing(const struct pager *g)
{
	return the_source.pages.missing;
}

/* Bytes that cannot be read are copied nowhere, but where the memory is gone that is said first. */
static bool has_left(const struct pager *g)
{
	struct uffdio_copy copy = { .dst = PAGE_BYTES << 8, .len = PAGE_BYTES };
	void *unreadable = mmap(NULL, PAGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool left;

	if (the_source.gone || unreadable == MAP_FAILED)
		return the_source.gone;
	copy.src = (uint64_t)(uintptr_t)unreadable;
	left = ioctl(the_source.uffd, UFFDIO_COPY, &copy) && errno == ESRCH;
	munmap(unreadable, PAGE_BYTES);
	return left;
}

static void stats(struct pager *g, struct control_message *m)
{
	m->missing_pages = the_source.pages.missing;
}

static void end(struct pager *g)
{
	/* The reason is logged; the child's own end is not changed by it. */
	if (g->options.record_path)
		workingset_write(g->options.record, g->options.record_path);
}

const struct page_source source_socket = {
	.name = "socket",
	.start = start,
	.event = event,
	.push = serve,
	.patience = patience,
	.missing = missing,
	.has_left = has_left,
	.stats = stats,
	.end = end,
};
