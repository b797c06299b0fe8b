// SPDX-License-Identifier: LGPL-2.1-or-later
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
#include "internal.h"
#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
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

/* Lift MADV_DONTFORK from every area that has it ("dc" in the VmFlags line of smaps). */
static int allow_fork(void)
{
	static char buffer[16384];
	size_t have = 0;
	uint64_t start = 0, end = 0;
	int fd = open("/proc/self/smaps", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	for (;;) {
		ssize_t n = read(fd, buffer + have, sizeof(buffer) - have - 1);
		char *line = buffer, *newline;

		if (n <= 0)
			break;
		have += (size_t)n;
		buffer[have] = '\0';
		while ((newline = strchr(line, '\n'))) {
			uint64_t a = 0, b = 0;
			const char *p = line;

			*newline = '\0';
			if (!strncmp(line, "VmFlags:", 8)) {
				/* ENOMEM: another thread has unmapped it meanwhile. */
				if (strstr(line, " dc") && madvise((void *)start, end - start, MADV_DOFORK) &&
				    errno != ENOMEM) {
					int err = -errno;

					close(fd);
					return err;
				}
			} else {
				for (; (*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'f'); p++)
					a = a * 16 + (uint64_t)(*p <= '9' ? *p - '0' : *p - 'a' + 10);
				if (p != line && *p == '-') {
					for (p++; (*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'f'); p++)
						b = b * 16 + (uint64_t)(*p <= '9' ? *p - '0' : *p - 'a' + 10);
					start = a;
					end = b;
				}
			}
			line = newline + 1;
		}
		have -= (size_t)(line - buffer);
		memmove(buffer, line, have);
	}
	close(fd);
	return 0;
}

static int make_whole(void)
{
	struct control_message m = { .type = CONTROL_DRAIN };
	int err;

	if (!child_state.is_child || child_state.uffd < 0)
		return 0;
	err = ask(&m);
	if (!err)
		err = allow_fork();
	if (err)
		return err;
	/* Nothing is missing any more, so nothing depends on this descriptor. */
	close(child_state.uffd);
	child_state.uffd = -1;
	return 0;
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

int child_depend_on_nobody(void)
{
	if (child_state.is_child && child_state.is_remote) {
		log_error("this child's memory comes from the kernel module, and cannot be made independent of it yet");
		return -EOPNOTSUPP;
	}
	return child_make_whole();
}

static void before_fork(void)
{
	static const char text[] = "libmitosis: fork: cannot fetch the missing memory\n";

	if (!child_make_whole())
		return;
	/* The supervisor is gone, so this process is about to be killed; never fork without memory. */
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
	child_state = (struct child_state){ 0 };
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
		all.missing_pages = m.missing_pages;
	}
	memcpy(stats, &all, size);
	return 0;
}
