// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * pager.c - serves a child's missing pages over one connection, and supervises the child.
 *
 * One thread, one epoll loop. A fault becomes a READ of up to `window` pages; in the quiet between
 * faults the background push asks for the rest, in address order. Replies come in the order of the
 * requests; a page goes where its source address belongs at that moment (pages.h), so it does not
 * matter what the child did to its address space in between.
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
#include "internal.h"
#include "format/control.h"
#include "page/pages.h"
#include "restore/restorer.h"
#include "engine/remote.h"
#include "restore/supervise.h"
#include "format/workingset.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define PUSH_CHUNK	64u		/* pages; also what a fault may have to wait for */
#define PUSHES		2u		/* under way at a time */
#define REPLAYS		16u		/* the same while a working set is replayed */
#define REPLAY_CHUNK	256u
#define REQUESTS_MAX	64u
#define RECEIVE_BYTES	(512u << 10)
#define RETRY_MS	1		/* while an event of the child is announced but not readable */

struct request {
	uint64_t source;		/* of the next page to come */
	uint32_t pages;			/* still to come */
	bool push;
};

struct fault {
	uint64_t address;
	bool write;
};

struct pager {
	struct pager_options options;
	uint32_t remote_pushed;		/* extents behind the remote file that were asked for */
	uint64_t remote_done;		/* pages of the next one */
	bool remote_replayed;
	struct pages pages;
	struct control_message counters;
	int child_pid, control_fd, uffd, socket_fd, epoll, signal_fd;
	bool ready, draining, gone, registered;
	uint64_t push_next;		/* page number */
	uint64_t push_limit;		/* pages that the background may bring */
	uint32_t pushes;
	uint32_t replay_next;		/* extent of the working set */
	uint64_t replay_done;		/* pages of it */
	bool listening;			/* to socket_fd */

	struct request requests[REQUESTS_MAX];
	uint32_t request_first, request_count;
	uint64_t heard_ns;		/* when the shadow last sent something, or was asked first */

	struct fault *faults;		/* threads that wait for a page */
	uint32_t fault_count, fault_room;
	bool retry;			/* one of them could not be answered for the moment */

	uint8_t *buffer, *zeros;
	size_t have;
	struct wire_frame frame;	/* DATA whose payload is being received */
	uint32_t payload;		/* bytes of it still to come */
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static __attribute__((noreturn)) void give_up(struct pager *g, const char *why)
{
	log_error("%s: %s, with %llu pages missing: child killed", g->options.object, why,
		  (unsigned long long)g->pages.missing);
	supervise_kill(g->child_pid);
}

static void watch(struct pager *g, int fd)
{
	struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };

	if (epoll_ctl(g->epoll, EPOLL_CTL_ADD, fd, &e))
		give_up(g, strerror(errno));
}

/* The child has no use for pages any more: it ended, or became another program. */
static void stop_paging(struct pager *g)
{
	g->gone = true;
	g->pages.missing = 0;
	g->fault_count = 0;
	if (g->uffd >= 0)
		close(g->uffd);
	if (g->socket_fd >= 0)
		close(g->socket_fd);
	g->uffd = -1;
	g->socket_fd = -1;
}

static void keep_fault(struct pager *g, struct fault f)
{
	if (g->fault_count == g->fault_room) {
		uint32_t room = g->fault_room ? 2 * g->fault_room : 64;
		struct fault *more = realloc(g->faults, room * sizeof(*more));

		if (!more)
			give_up(g, "out of memory");
		g->faults = more;
		g->fault_room = room;
	}
	g->faults[g->fault_count++] = f;
}

/*
 * Call fn for each area of the child that is registered with a userfaultfd ("um" in the VmFlags
 * line of smaps) and overlaps [start, end).
 */
static int for_registered(struct pager *g, uint64_t start, uint64_t end,
			  int (*fn)(struct pager *g, uint64_t start, uint64_t end, void *data), void *data)
{
	char path[40], *line = NULL;
	uint64_t from = 0, to = 0;
	size_t capacity = 0;
	int err = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps", g->child_pid);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (!err && getline(&line, &capacity, f) > 0) {
		if (!strncmp(line, "VmFlags:", 8)) {
			if (strstr(line, " um") && from < end && to > start)
				err = fn(g, from, to, data);
		} else if (line[0] >= '0' && line[0] <= 'f' && strchr(line, '-')) {
			sscanf(line, "%" SCNx64 "-%" SCNx64, &from, &to);
			if (from >= end)
				break;
		}
	}
	free(line);
	fclose(f);
	return err;
}

struct gap {
	uint64_t at, end;
};

static int unmap_gap(struct pager *g, uint64_t start, uint64_t end, void *data)
{
	struct gap *gap = data;
	int err = start > gap->at ? pages_unmapped(&g->pages, gap->at, start < gap->end ? start : gap->end) : 0;

	if (end > gap->at)
		gap->at = end;
	return err;
}

/*
 * Events of several threads are queued after the deed, so their order may differ: when a place was
 * left and another area moved into it, the first thread's UNMAP may come behind the second's REMAP.
 * What was moved in and is still there stays.
 */
static int unmapped(struct pager *g, uint64_t start, uint64_t end)
{
	struct gap gap = { start, end };
	int err;

	if (!pages_moved_into(&g->pages, start, end))
		return pages_unmapped(&g->pages, start, end);
	err = for_registered(g, start, end, unmap_gap, &gap);
	return !err && gap.at < end ? pages_unmapped(&g->pages, gap.at, end) : err;
}

/* Read what the userfaultfd has: changes take effect at once, faults are kept for later. */
static bool read_events(struct pager *g)
{
	struct uffd_msg m[16];
	ssize_t n = read(g->uffd, m, sizeof(m));
	int err = 0;

	if (n <= 0)
		return false;
	for (size_t i = 0; i < (size_t)n / sizeof(m[0]); i++) {
		switch (m[i].event) {
		case UFFD_EVENT_PAGEFAULT:
			g->counters.faults++;
			keep_fault(g, (struct fault){
				.address = m[i].arg.pagefault.address & ~(PAGE_BYTES - 1),
				.write = m[i].arg.pagefault.flags & UFFD_PAGEFAULT_FLAG_WRITE,
			});
			break;
		case UFFD_EVENT_REMOVE:
			pages_removed(&g->pages, m[i].arg.remove.start, m[i].arg.remove.end);
			break;
		case UFFD_EVENT_UNMAP:
			err = unmapped(g, m[i].arg.remove.start, m[i].arg.remove.end);
			break;
		case UFFD_EVENT_REMAP:
			err = pages_remapped(&g->pages, m[i].arg.remap.from, m[i].arg.remap.to, m[i].arg.remap.len);
			break;
		}
		if (err)
			give_up(g, strerror(-err));
	}
	return true;
}

/* The kernel wants events read before it lets us go on. */
static void await_event(struct pager *g)
{
	struct pollfd p = { .fd = g->uffd, .events = POLLIN };

	if (!read_events(g)) {
		poll(&p, 1, RETRY_MS);
		supervise_signals(g->signal_fd, g->child_pid);
	}
}

static void wake(struct pager *g, uint64_t address, uint64_t bytes)
{
	struct uffdio_range r = { address, bytes };

	ioctl(g->uffd, UFFDIO_WAKE, &r);
}

enum placed { PLACED, PLACED_AGAIN, PLACED_NOWHERE };

/*
 * Put bytes of content (NULL: the zero page) at a current address. *done is how much of it is in
 * the child now, which may be less than asked when PLACED_AGAIN asks to look again.
 */
static enum placed place(struct pager *g, uint64_t address, const uint8_t *content, uint64_t bytes, uint64_t *done)
{
	*done = 0;
	while (*done < bytes) {
		struct uffdio_copy copy = {
			.dst = address + *done, .src = (uint64_t)(uintptr_t)content + *done, .len = bytes - *done,
		};
		struct uffdio_zeropage zero = { .range = { address + *done, bytes - *done } };
		int ret = content ? ioctl(g->uffd, UFFDIO_COPY, &copy) : ioctl(g->uffd, UFFDIO_ZEROPAGE, &zero);
		int64_t got = content ? copy.copy : zero.zeropage;

		if (!ret) {
			*done = bytes;
			return PLACED;
		}
		if (got > 0) {
			*done += (uint64_t)got;
			continue;
		}
		switch (errno) {
		case EEXIST:
			wake(g, address + *done, PAGE_BYTES);
			*done += PAGE_BYTES;
			break;
		case EAGAIN:
			return PLACED_AGAIN;
		case ENOENT:
			return PLACED_NOWHERE;
		case ESRCH:
			stop_paging(g);
			return PLACED;
		case ENOMEM:
			give_up(g, "no memory for its pages on this host");
		default:
			give_up(g, strerror(errno));
		}
	}
	return PLACED;
}

/* The threads that waited for these pages run again. */
static void drop_faults(struct pager *g, uint64_t address, uint64_t bytes)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < g->fault_count; i++)
		if (g->faults[i].address - address >= bytes)
			g->faults[kept++] = g->faults[i];
	g->fault_count = kept;
}

/* A run of pages arrived; content NULL says that they are zeros. */
static void deliver(struct pager *g, uint64_t source, const uint8_t *content, uint64_t count)
{
	uint64_t first = pages_find_source(&g->pages, source), i = 0;

	g->counters.fetched_pages += count;
	for (uint64_t k = 0; k < count; k++)
		pages_set_asked(&g->pages, first + k, false);
	while (i < count && !g->gone) {
		uint64_t address = pages_current(&g->pages, source + i * PAGE_BYTES), n = 1, done;
		enum placed placed;

		if (!pages_is_missing(&g->pages, first + i) || !address) {
			i++;
			continue;
		}
		while (i + n < count && pages_is_missing(&g->pages, first + i + n) &&
		       pages_current(&g->pages, source + (i + n) * PAGE_BYTES) == address + n * PAGE_BYTES)
			n++;
		placed = place(g, address, content ? content + i * PAGE_BYTES : NULL, n * PAGE_BYTES, &done);
		for (uint64_t k = 0; k < done / PAGE_BYTES; k++)
			pages_set_arrived(&g->pages, first + i + k);
		drop_faults(g, address, done);
		i += done / PAGE_BYTES;
		if (placed == PLACED_AGAIN) {
			await_event(g);
		} else if (placed == PLACED_NOWHERE) {
			/* Unmapped; the event says so soon. Until then it stays missing. */
			if (!read_events(g))
				i++;
		}
	}
}

static void ask(struct pager *g, uint64_t page, uint32_t count, bool push)
{
	uint64_t source = pages_source(&g->pages, page);
	struct wire_frame f = { .type = WIRE_READ, .address = source, .pages = count };
	struct request *r = &g->requests[(g->request_first + g->request_count) % REQUESTS_MAX];

	if (!g->request_count)
		g->heard_ns = now_ns();
	*r = (struct request){ source, count, push };
	g->request_count++;
	g->pushes += push;
	for (uint32_t i = 0; i < count; i++)
		pages_set_asked(&g->pages, page + i, true);
	/* Requests are small and few; a full send buffer means a dead peer. */
	if (send(g->socket_fd, &f, sizeof(f), MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)sizeof(f))
		give_up(g, "connection to the snapshot lost");
}

/* How many pages from this one on can be asked for in one go. */
static uint32_t run_of(const struct pager *g, uint64_t page, uint32_t most)
{
	uint64_t end = pages_extent_end(&g->pages, page);
	uint32_t n = 0;

	while (n < most && page + n < end && pages_is_missing(&g->pages, page + n) &&
	       !pages_is_asked(&g->pages, page + n))
		n++;
	return n;
}

/* A page that the parent never had, or that the child threw away: zeros are due. */
static bool answer_zero(struct pager *g, const struct fault *f)
{
	uint64_t done;

	/* A write would fault a second time on the shared zero page. */
	switch (place(g, f->address, f->write ? g->zeros : NULL, PAGE_BYTES, &done)) {
	case PLACED:
		g->counters.zero_faults++;
		return true;
	case PLACED_NOWHERE:
		wake(g, f->address, PAGE_BYTES);	/* it will fault again, or die of its own */
		return true;
	default:
		return false;
	}
}

/*
 * The working set is what had to be fetched: hot pages come by themselves, and a page that the
 * parent never had costs no transfer.
 */
static void record(struct pager *g, uint64_t page)
{
	if (g->options.record_path && workingset_add(g->options.record, pages_source(&g->pages, page)))
		give_up(g, "out of memory");
}

static void write_record(void *data)
{
	struct pager *g = data;

	/* The reason is logged; the child's own end is not changed by it. */
	workingset_write(g->options.record, g->options.record_path);
}

/*
 * Answer what can be answered. A fault stays in the list until its page is in place, since the page
 * it waits for may be moved or thrown away by another thread in the meantime.
 */
static void answer_faults(struct pager *g)
{
	uint32_t kept = 0, count = g->fault_count;

	g->retry = false;
	for (uint32_t i = 0; i < count && !g->gone; i++) {
		struct fault f = g->faults[i];
		uint64_t page = pages_find(&g->pages, f.address);

		if (page == NO_PAGE || !pages_is_missing(&g->pages, page)) {
			if (answer_zero(g, &f))
				continue;
			g->retry = true;
		} else if (!pages_is_asked(&g->pages, page) && g->request_count < REQUESTS_MAX) {
			record(g, page);
			ask(g, page, run_of(g, page, g->options.window), false);
		}
		g->faults[kept++] = f;
	}
	g->fault_count = g->gone ? 0 : kept;
}

/* Ask for the working set in its order. Pages that are here, or that the snapshot lacks, are passed over. */
static bool replay(struct pager *g)
{
	const struct workingset *w = g->options.replay;

	while (w && g->replay_next < w->count) {
		const struct descriptor_extent *e = &w->extents[g->replay_next];
		uint64_t page, left = e->pages - g->replay_done;
		uint32_t n;

		if (!left) {
			g->replay_next++;
			g->replay_done = 0;
			continue;
		}
		if (g->pushes >= REPLAYS || g->request_count >= REQUESTS_MAX)
			return false;
		page = pages_find_source(&g->pages, e->start + g->replay_done * PAGE_BYTES);
		n = page == NO_PAGE ? 0 : run_of(g, page, left < REPLAY_CHUNK ? (uint32_t)left : REPLAY_CHUNK);
		if (n) {
			ask(g, page, n, true);
			g->counters.pushed_pages += n;
		}
		g->replay_done += n ? n : 1;
	}
	return true;
}

static void push(struct pager *g)
{
	if (!replay(g))
		return;
	while (g->pushes < PUSHES && g->request_count < REQUESTS_MAX && g->pages.missing &&
	       (g->draining || g->counters.pushed_pages < g->push_limit)) {
		uint32_t n;

		if (g->push_next >= g->pages.total) {
			/* A page can be left behind when the child moved it while it travelled. */
			if (!g->draining || g->request_count)
				return;
			g->push_next = 0;
		}
		n = run_of(g, g->push_next, PUSH_CHUNK);
		if (!n) {
			g->push_next++;
			continue;
		}
		ask(g, g->push_next, n, true);
		g->counters.pushed_pages += n;
		g->push_next += n;
	}
}

static int unregister_area(struct pager *g, uint64_t start, uint64_t end, void *data)
{
	struct uffdio_range r = { start, end - start };

	/* Fails where the child has unmapped meanwhile, which is as good. */
	ioctl(g->uffd, UFFDIO_UNREGISTER, &r);
	return 0;
}

/* All there: the areas become ordinary memory again, whole, also where the child made them grow. */
static void unregister_all(struct pager *g)
{
	if (!g->registered)
		return;
	g->registered = false;
	for_registered(g, 0, USER_END, unregister_area, NULL);
	log_debug("%s: all pages are here", g->options.object);
}

/* ---- the connection ---- */

static void check_frame(struct pager *g, const struct wire_frame *f)
{
	struct request *r = &g->requests[g->request_first];

	if (f->type == WIRE_ERROR)
		give_up(g, "the parent's host refused to send a page");
	if (!g->request_count || f->address != r->source || !f->pages || f->pages > r->pages ||
	    (f->type == WIRE_DATA ? f->length != f->pages * PAGE_BYTES : f->type != WIRE_ZERO || f->length))
		give_up(g, "protocol error: unexpected frame");
	r->source += f->pages * PAGE_BYTES;
	r->pages -= f->pages;
}

/* The payload has come too: only then a request is answered, and silence forgiven. */
static void end_frame(struct pager *g)
{
	struct request *r = &g->requests[g->request_first];

	if (r->pages)
		return;
	g->pushes -= r->push;
	g->request_first = (g->request_first + 1) % REQUESTS_MAX;
	g->request_count--;
}

/* Take whole frames, and whole pages of an unfinished one, out of the buffer. */
static void parse(struct pager *g)
{
	size_t at = 0;

	while (!g->gone) {
		if (!g->payload) {
			if (g->have - at < sizeof(g->frame))
				break;
			memcpy(&g->frame, g->buffer + at, sizeof(g->frame));
			at += sizeof(g->frame);
			check_frame(g, &g->frame);
			g->payload = g->frame.length;
			if (g->frame.type == WIRE_ZERO) {
				deliver(g, g->frame.address, NULL, g->frame.pages);
				end_frame(g);
			}
			continue;
		}
		uint64_t n = g->have - at < g->payload ? (g->have - at) / PAGE_BYTES : g->payload / PAGE_BYTES;

		if (!n)
			break;
		deliver(g, g->frame.address, g->buffer + at, n);
		g->frame.address += n * PAGE_BYTES;
		g->payload -= (uint32_t)(n * PAGE_BYTES);
		at += n * PAGE_BYTES;
		if (!g->payload)
			end_frame(g);
	}
	g->have = g->gone ? 0 : g->have - at;
	memmove(g->buffer, g->buffer + at, g->have);
}

static void receive(struct pager *g)
{
	ssize_t n = recv(g->socket_fd, g->buffer + g->have, RECEIVE_BYTES - g->have, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		if (g->pages.missing)
			give_up(g, "connection to the snapshot lost");
		close(g->socket_fd);
		g->socket_fd = -1;
		return;
	}
	g->heard_ns = now_ns();
	g->have += (size_t)n;
	parse(g);
}

/* ---- the child ---- */

static const char *const step_names[] = {
	[RESTORE_UNMAP] = "clearing the address space", [RESTORE_VDSO] = "mapping the vDSO",
	[RESTORE_MMAP] = "mapping memory", [RESTORE_HOT] = "filling memory",
	[RESTORE_REGISTER] = "registering memory with userfaultfd", [RESTORE_FETCH] = "fetching memory",
	[RESTORE_PROTECT] = "protecting memory", [RESTORE_MM] = "setting the process's layout",
	[RESTORE_SIGNAL] = "restoring signal actions", [RESTORE_LIMIT] = "restoring resource limits",
	[RESTORE_TIMER] = "restoring timers", [RESTORE_RSEQ] = "registering restartable sequences",
	[RESTORE_FILES] = "opening files", [RESTORE_DIRECTORY] = "entering the working directory",
	[RESTORE_GUARD] = "setting guard pages", [RESTORE_STATE] = "restoring the process's state",
};

/* Told once: the child notices with SIGBUS when it touches a page that is not there. */
static void remote_died(struct pager *g)
{
	epoll_ctl(g->epoll, EPOLL_CTL_DEL, g->options.remote_fd, NULL);
	g->remote_pushed = g->options.remote_count;
}

/* After the child's end: was it for want of a page? */
static void remote_at_end(void *data)
{
	struct pager *g = data;
	uint64_t address;
	int error = remote_lost(g->options.remote_fd, &address);

	if (error && address)
		log_error("%s: the page at 0x%llx cannot be had: %s", g->options.object,
			  (unsigned long long)address, remote_reason(error));
	if (!g->options.record_path)
		return;
	error = remote_recorded(g->options.remote_fd, g->options.record);
	if (!error)
		workingset_write(g->options.record, g->options.record_path);
	else
		log_error("%s: not written: what was touched cannot be had: %s", g->options.record_path, strerror(-error));
}

/* A working set first, in one call; then what there is, some at a time, so that signals are heard. */
static void remote_push(struct pager *g)
{
	const struct workingset *set = g->options.replay;
	struct descriptor_extent next;

	if (set && !g->remote_replayed) {
		int error = remote_prefetch(g->options.remote_fd, set->extents, set->count);

		g->remote_replayed = true;
		/* Pages of it that cannot be had are the child's affair, when it touches them. */
		if (error)
			log_warning("%s: the working set is not fetched first: %s", g->options.object, strerror(-error));
	}
	if (!g->options.push || g->remote_pushed == g->options.remote_count)
		return;
	next = g->options.remote[g->remote_pushed];
	next.start += g->remote_done * PAGE_BYTES;
	next.pages -= g->remote_done;
	if (next.pages > PUSH_CHUNK)
		next.pages = PUSH_CHUNK;
	if (remote_prefetch(g->options.remote_fd, &next, 1)) {
		g->remote_pushed = g->options.remote_count;
		return;
	}
	g->remote_done += next.pages;
	if (g->remote_done == g->options.remote[g->remote_pushed].pages) {
		g->remote_pushed++;
		g->remote_done = 0;
	}
}

/* Whoever measures wants to know. */
static void notify(struct pager *g)
{
	uint64_t now = now_ns();

	if (!g->options.notify_fd)
		return;
	if (write(g->options.notify_fd, &now, sizeof(now)) != (ssize_t)sizeof(now))
		log_warning("%s: descriptor %d: %s", g->options.object, g->options.notify_fd, strerror(errno));
	close(g->options.notify_fd);
	g->options.notify_fd = 0;
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
		return;
	}
	switch (m.type) {
	case CONTROL_READY:
		g->ready = true;
		notify(g);
		break;
	case CONTROL_FAILED:
		log_error("%s: cannot resume: %s at 0x%llx: %s", g->options.object,
			  m.step < ARRAY_SIZE(step_names) ? step_names[m.step] : "restoring",
			  (unsigned long long)m.address, strerror(-m.error));
		supervise_kill(g->child_pid);
	case CONTROL_DRAIN:
		g->draining = true;
		break;
	case CONTROL_STATS:
		g->counters.type = CONTROL_STATS;
		g->counters.missing_pages = g->pages.missing;
		if (g->options.remote_fd >= 0)
			remote_stats(g->options.remote_fd, &g->counters);
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
	ssize_t n = read(0, g->zeros + PAGE_BYTES, PAGE_BYTES);

	if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
		epoll_ctl(g->epoll, EPOLL_CTL_DEL, 0, NULL);
}

static int timeout_ms(const struct pager *g)
{
	uint64_t silence;

	if (g->retry)
		return RETRY_MS;
	if (g->ready && g->options.push && g->remote_pushed < g->options.remote_count)
		return 0;
	if (!g->request_count)
		return -1;
	silence = (now_ns() - g->heard_ns) / 1000000;
	return silence >= g->options.timeout_ms ? 0 : (int)(g->options.timeout_ms - silence);
}

void pager_run(int child_pid, int control_fd, int socket_fd, int uffd,
	       const struct descriptor_extent *missing, uint32_t missing_count, const struct map_step *steps,
	       uint32_t step_count, const struct pager_options *options)
{
	static struct pager pager;
	struct pager *g = &pager;
	int err;

	*g = (struct pager){
		.options = *options, .child_pid = child_pid, .control_fd = control_fd,
		.socket_fd = socket_fd, .uffd = uffd,
	};
	g->counters.hot_pages = options->hot_pages;
	g->epoll = epoll_create1(EPOLL_CLOEXEC);
	g->signal_fd = supervise_begin();
	g->buffer = malloc(RECEIVE_BYTES);
	g->zeros = calloc(2, PAGE_BYTES);
	err = pages_init(&g->pages, missing, uffd >= 0 ? missing_count : 0);
	for (uint32_t i = 0; i < step_count && !err && uffd >= 0; i++)
		if (steps[i].flags & MAP_STEP_UFFD)
			err = pages_add_segment(&g->pages, steps[i].start, steps[i].end, steps[i].start);
	if (err || g->epoll < 0 || g->signal_fd < 0 || !g->buffer || !g->zeros)
		give_up(g, "cannot start the pager");
	g->registered = g->pages.segment_count > 0;
	g->push_limit = options->push ? g->pages.total * options->push_percent / 100 : 0;
	if (options->push && options->push_percent == 100)
		g->push_limit = ~0ULL;
	watch(g, g->signal_fd);
	watch(g, g->control_fd);
	if (uffd >= 0) {
		watch(g, g->uffd);
		replay(g);
	}
	/* A file is always readable and cannot be watched: it needs no draining either. */
	if (options->drain_stdin) {
		struct epoll_event e = { .events = EPOLLIN, .data.fd = 0 };

		epoll_ctl(g->epoll, EPOLL_CTL_ADD, 0, &e);
	}

	if (options->remote_fd >= 0) {
		struct epoll_event e = { .data.fd = options->remote_fd };	/* errors only */

		epoll_ctl(g->epoll, EPOLL_CTL_ADD, options->remote_fd, &e);
		supervise_at_end(remote_at_end, g);
	} else if (options->record_path) {
		supervise_at_end(write_record, g);
	}
	supervise_signals(g->signal_fd, g->child_pid);	/* it may have ended already */
	for (;;) {
		struct epoll_event events[8];
		int n = epoll_wait(g->epoll, events, ARRAY_SIZE(events), timeout_ms(g));

		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;

			if (fd == g->signal_fd)
				supervise_signals(g->signal_fd, g->child_pid);
			else if (fd == g->control_fd)
				child_says(g);
			else if (fd == g->uffd && fd >= 0)
				read_events(g);
			else if (fd == g->socket_fd && fd >= 0)
				receive(g);
			else if (fd == g->options.remote_fd && fd >= 0)
				remote_died(g);
			else if (fd == 0)
				discard_stdin(g);
		}
		if (g->ready && g->options.remote_fd >= 0)
			remote_push(g);
		if (g->uffd >= 0) {
			answer_faults(g);
			/* Not before: a page that comes while its area is not registered would be lost. */
			if (!g->listening && (g->ready || g->fault_count) && !g->gone) {
				g->listening = true;
				watch(g, g->socket_fd);
			}
			if (g->ready && !g->gone)
				push(g);
			if (g->ready && !g->gone && !g->pages.missing && !g->request_count && !g->fault_count)
				unregister_all(g);
		}
		if (g->request_count && now_ns() - g->heard_ns >= g->options.timeout_ms * 1000000ULL)
			give_up(g, "no answer from the parent's host in time");
		if (g->draining && !g->pages.missing)
			end_drain(g);
	}
}
