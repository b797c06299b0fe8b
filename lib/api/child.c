// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * child.c - the library inside a resumed child: talk to the supervisor.
 *
 * Before a child is copied (fork, or a snapshot of its own) its memory must be whole: the copy
 * would have no pager, and the kernel lets a missing page without a pager read as zero.
 * UFFD_FEATURE_EVENT_FORK does not help: it hands the copy's userfaultfd to the pager alone, so a
 * pager that is killed then leaves the copy running on zeros (doc/user-engine.md has the
 * demonstration). Hence fork drains, and until then the missing areas carry MADV_DONTFORK, so that
 * a copy made behind the library's back dies instead of computing with wrong bytes.
 */
#include "api/child.h"
#include "api/log.h"
#include "capture/memory.h"
#include "format/descriptor.h"
#include "page/areas.h"
#include "page/detach.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

struct child_state child_state;

/*
 * One question at a time, and one thread that looks through the areas. Signals stay out, since a
 * handler may ask as well; a forked process begins with the lock free.
 */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void begin(sigset_t *old)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, old);
	pthread_mutex_lock(&lock);
}

static void end(const sigset_t *old)
{
	pthread_mutex_unlock(&lock);
	pthread_sigmask(SIG_SETMASK, old, NULL);
}

static int ask(struct control_message *m)
{
	ssize_t n;

	if (send(child_state.control_fd, m, sizeof(*m), MSG_NOSIGNAL) != (ssize_t)sizeof(*m))
		return -ECONNRESET;
	do {
		n = recv(child_state.control_fd, m, sizeof(*m), 0);
	} while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(*m) ? m->error : -ECONNRESET;
}

struct area {
	uint64_t start, end;
};

static int allow_fork_of(uint64_t start, uint64_t end)
{
	/*
	 * ENOMEM: another thread has unmapped it meanwhile. EINVAL: memory of a device, never the
	 * restorer's.
	 */
	if (madvise((void *)start, end - start, MADV_DOFORK) && errno != ENOMEM && errno != EINVAL)
		return -errno;
	return 0;
}

static int allow_fork(const char *line, void *data)
{
	struct area *area = data;
	uint64_t start, end;

	if (areas_range(line, &start, &end))
		*area = (struct area){ start, end };
	else if (!strncmp(line, "VmFlags:", 8) && strstr(line, " dc"))
		return memory_rest(area->start, area->end, allow_fork_of);
	return 0;
}

/*
 * Lift MADV_DONTFORK from every area that has it ("dc" in the VmFlags line of smaps), but not where
 * it is the parent's.
 */
static int allow_forks(void)
{
	struct area area = { 0 };

	return areas_lines("/proc/self/smaps", allow_fork, &area);
}

static int make_whole(void)
{
	struct control_message m = { .type = CONTROL_DRAIN };
	int err;

	if (!child_state.is_child || child_state.uffd < 0)
		return 0;
	err = ask(&m);
	if (!err)
		err = allow_forks();
	if (err)
		return err;
	/* Nothing is missing any more, so nothing depends on this descriptor. */
	close(child_state.uffd);
	child_state.uffd = -1;
	return 0;
}

void child_settle(void)
{
	if (child_state.tail_bytes)
		munmap((void *)child_state.tail, child_state.tail_bytes);
	child_state.tail_bytes = 0;
}

int child_make_whole(void)
{
	sigset_t old;
	int err;

	begin(&old);
	err = make_whole();
	end(&old);
	return err;
}

/* Copies of a child of engine kernel have no supervisor, and the same memory. */
static int make_own(void)
{
	int err;

	if (!child_state.is_remote)
		return 0;
	err = detach(child_state.remote_fd);
	if (err)
		return err;
	close(child_state.remote_fd);
	child_state.is_remote = 0;
	child_state.remote_fd = -1;
	child_state.is_detached = 1;
	return 0;
}

int child_depend_on_nobody(void)
{
	sigset_t old;
	int err;

	begin(&old);
	err = make_whole();
	if (!err)
		err = make_own();
	end(&old);
	return err;
}

static void before_fork(void)
{
	static const char text[] = "libmitosis: fork: cannot fetch the missing memory\n";

	if (!child_make_whole())
		return;
	/*
	 * The supervisor is gone, so this process is about to be killed; never fork without memory.
	 */
	(void)!write(2, text, sizeof(text) - 1);
	_exit(125);
}

/* A forked process is not the supervisor's child. */
static void after_fork_in_child(void)
{
	pthread_mutex_init(&lock, NULL);
	if (!child_state.is_child)
		return;
	close(child_state.control_fd);
	child_state = (struct child_state){
		.control_fd = -1, .uffd = -1,
		.is_remote = child_state.is_remote, .remote_fd = child_state.remote_fd,
		.tail = child_state.tail, .tail_bytes = child_state.tail_bytes,
	};
}

EXPORT int mitosis_init(void)
{
	static int done;
	int err;

	if (done)
		return 0;
	err = -pthread_atfork(before_fork, NULL, after_fork_in_child);
	done = !err;
	return err;
}

EXPORT int mitosis_drain(void)
{
	return child_depend_on_nobody();
}

EXPORT int mitosis_stats(struct mitosis_child_stats *stats)
{
	struct control_message m = { .type = CONTROL_STATS };
	struct mitosis_child_stats all = { .page_size = PAGE_BYTES };
	uint32_t size = stats->size;
	int err;

	if (size < 8 || size > sizeof(all))
		return -EINVAL;
	all.size = size;
	if (child_state.is_child) {
		sigset_t old;

		begin(&old);
		err = ask(&m);
		end(&old);
		if (err)
			return err;
		all.faults = m.faults;
		all.zero_faults = m.zero_faults;
		all.fetched_pages = m.fetched_pages;
		all.pushed_pages = m.pushed_pages;
		all.hot_pages = m.hot_pages;
		/* The module knows what came, not that the rest was never of use here. */
		all.missing_pages = child_state.is_detached ? 0 : m.missing_pages;
	}
	memcpy(stats, &all, size);
	return 0;
}
