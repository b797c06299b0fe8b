// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * odd-rings.c - a parent with a ring of io_uring that no child can have.
 *
 *	odd-rings KIND		prints its reference and waits for input; status 77: not to be had here
 *	odd-rings		lists the kinds
 */
#include "uring.h"

#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <signal.h>
#include <time.h>

#include "mitosis.h"

#ifndef IORING_SETUP_SINGLE_ISSUER
#define IORING_SETUP_SINGLE_ISSUER	(1U << 12)
#endif
#ifndef IORING_TIMEOUT_MULTISHOT
#define IORING_TIMEOUT_MULTISHOT	(1U << 6)	/* Linux 6.4 */
#endif

static struct uring ring;
static int ends[2];

static bool use(uint32_t times)
{
	for (uint64_t i = 0; i < times; i++)
		if (uring_do(&ring, &(struct io_uring_sqe){ .opcode = IORING_OP_NOP, .user_data = i + 1 }))
			return false;
	return true;
}

/* With so many requests behind it. */
static bool used(uint32_t entries, uint32_t flags)
{
	return uring_setup(&ring, entries, flags) && use(3 * entries);
}

static bool put(struct io_uring_sqe q)
{
	uring_put(&ring, &q);
	return uring_enter(&ring, 1, 0) == 1;
}

static bool make_poll(void)
{
	return !pipe(ends) && used(64, 0) &&
	       put((struct io_uring_sqe){ .opcode = IORING_OP_POLL_ADD, .fd = ends[0], .poll32_events = POLLIN });
}

/* A completion too many makes up for the one that is missing. */
static bool make_even(void)
{
	struct io_uring_cqe c;

	if (pipe(ends) || !used(64, 0) ||
	    !put((struct io_uring_sqe){ .opcode = IORING_OP_POLL_ADD, .fd = ends[0], .poll32_events = POLLIN,
					.len = IORING_POLL_ADD_MULTI }) ||
	    write(ends[1], "x", 1) != 1)
		return false;
	return uring_enter(&ring, 0, 1) == 0 && uring_take(&ring, &c);
}

/* A request that has more than one completion. */
static bool make_uneven(void)
{
	static struct { int64_t s, ns; } soon = { 0, 1000000 };
	struct io_uring_cqe c;

	if (!used(64, 0) ||
	    !put((struct io_uring_sqe){ .opcode = IORING_OP_TIMEOUT, .addr = (uintptr_t)&soon, .len = 1, .off = 2,
					.timeout_flags = IORING_TIMEOUT_MULTISHOT }))
		return false;
	for (int i = 0; i < 2; i++)
		if (uring_enter(&ring, 0, 1) || !uring_take(&ring, &c) || c.res != -ETIME) {
			errno = EINVAL;
			return false;
		}
	return true;
}

/* It makes up for one that is in flight, which no list of the kernel's shows. */
static bool make_timeout(void)
{
	static struct { int64_t s, ns; } late = { 3600, 0 };

	return make_uneven() &&
	       put((struct io_uring_sqe){ .opcode = IORING_OP_TIMEOUT, .addr = (uintptr_t)&late, .len = 1 });
}

static bool make_unread(void)
{
	return used(64, 0) && put((struct io_uring_sqe){ .opcode = IORING_OP_NOP });
}

static bool make_silent(void)
{
	return used(64, 0) && put((struct io_uring_sqe){ .opcode = IORING_OP_NOP, .flags = IOSQE_CQE_SKIP_SUCCESS });
}

static bool make_unsubmitted(void)
{
	if (!used(64, 0))
		return false;
	uring_put(&ring, &(struct io_uring_sqe){ .opcode = IORING_OP_NOP });
	return true;
}

static bool make_eventfd(void)
{
	int fd = eventfd(0, EFD_CLOEXEC);

	return used(64, 0) && !syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_EVENTFD, &fd, 1);
}

static bool make_files(void)
{
	int fd = eventfd(0, EFD_CLOEXEC);

	return used(64, 0) && !syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_FILES, &fd, 1);
}

static bool make_buffers(void)
{
	static char page[4096];
	struct { void *base; size_t bytes; } v = { page, sizeof(page) };

	return used(64, 0) && !syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_BUFFERS, &v, 1);
}

static bool make_numbered(void)
{
	struct io_uring_rsrc_update u = { .offset = 5 };

	if (!used(64, 0))
		return false;
	u.data = (uint32_t)ring.fd;
	return syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_RING_FDS, &u, 1) == 1;
}

static sem_t numbered;

static void *number_and_wait(void *made)
{
	*(bool *)made = make_numbered();
	sem_post(&numbered);
	for (;;)
		pause();
	return NULL;
}

static bool make_numbered_thread(void)
{
	static bool made;
	pthread_t thread;

	sem_init(&numbered, 0, 0);
	return !pthread_create(&thread, NULL, number_and_wait, &made) && !sem_wait(&numbered) && made;
}

static bool make_sqpoll(void)
{
	return uring_setup(&ring, 64, IORING_SETUP_SQPOLL);
}

static bool make_iopoll(void)
{
	return used(64, IORING_SETUP_IOPOLL);
}

static bool make_owned(void)
{
	return used(64, IORING_SETUP_SINGLE_ISSUER);
}

static bool make_disabled(void)
{
	return uring_setup(&ring, 64, IORING_SETUP_R_DISABLED);
}

static bool make_restricted(void)
{
	struct io_uring_restriction r = { .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_NOP };

	return uring_setup(&ring, 64, IORING_SETUP_R_DISABLED) &&
	       !syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_RESTRICTIONS, &r, 1) &&
	       !syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0) && use(100);
}

static bool make_large_sqes(void)
{
	return used(64, IORING_SETUP_SQE128);
}

static bool make_small_large_sqes(void)
{
	return used(8, IORING_SETUP_SQE128);
}

static bool make_large_cqes(void)
{
	return used(256, IORING_SETUP_CQE32);
}

static bool make_small_large_cqes(void)
{
	return used(8, IORING_SETUP_CQE32 | IORING_SETUP_NO_SQARRAY);
}

static bool make_first_place(void)
{
	if (!uring_setup(&ring, 64, 0))
		return false;
	memset(uring_word(&ring, ring.params.sq_off.array), 0, 64 * sizeof(uint32_t));
	for (uint64_t i = 0; i < 100; i++) {
		uint32_t *tail = uring_word(&ring, ring.params.sq_off.tail);
		struct io_uring_cqe c;

		ring.sqes[0] = (struct io_uring_sqe){ .opcode = IORING_OP_NOP, .user_data = i };
		__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
		if (uring_enter(&ring, 1, 1) != 1 || !uring_take(&ring, &c) || c.user_data != i)
			return false;
	}
	return true;
}

static bool make_part(void)
{
	return used(64, 0) && !munmap(ring.sqes, ring.sqe_bytes);
}

static bool make_closed(void)
{
	return used(64, 0) && !close(ring.fd);
}

static bool make_shared(void)
{
	pid_t parent = getpid();

	if (!used(64, 0))
		return false;
	if (!fork()) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* It may have ended before. */
		while (getppid() == parent)
			pause();
		_exit(0);
	}
	return true;
}

static bool make_many(void)
{
	const uint32_t batch = 4096;

	if (!uring_setup(&ring, batch, 0))
		return false;
	for (uint32_t i = 0; i <= 1u << 24; i += batch) {
		__atomic_store_n(uring_word(&ring, ring.params.sq_off.tail), i + batch, __ATOMIC_RELEASE);
		if (uring_enter(&ring, batch, 0) != (int)batch)
			return false;
		__atomic_store_n(uring_word(&ring, ring.params.cq_off.head), i + batch, __ATOMIC_RELEASE);
	}
	return true;
}

static bool make_confined(void)
{
	struct { uint16_t code; uint8_t jt, jf; uint32_t k; } allow = { 0x06, 0, 0, 0x7fff0000 };
	struct { uint16_t length; void *filter; } program = { 1, &allow };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return used(64, 0) && !prctl(PR_SET_SECCOMP, 2, &program);
}

static const struct kind {
	const char *name;
	bool (*make)(void);
} kinds[] = {
	{ "poll", make_poll },
	{ "even", make_even },
	{ "uneven", make_uneven },
	{ "timeout", make_timeout },
	{ "unread", make_unread },
	{ "silent", make_silent },
	{ "unsubmitted", make_unsubmitted },
	{ "eventfd", make_eventfd },
	{ "files", make_files },
	{ "buffers", make_buffers },
	{ "numbered", make_numbered },
	{ "numbered-thread", make_numbered_thread },
	{ "sqpoll", make_sqpoll },
	{ "iopoll", make_iopoll },
	{ "owned", make_owned },
	{ "disabled", make_disabled },
	{ "restricted", make_restricted },
	{ "large-sqes", make_large_sqes },
	{ "small-large-sqes", make_small_large_sqes },
	{ "large-cqes", make_large_cqes },
	{ "small-large-cqes", make_small_large_cqes },
	{ "first-place", make_first_place },
	{ "part", make_part },
	{ "closed", make_closed },
	{ "shared", make_shared },
	{ "many", make_many },
	{ "confined", make_confined },
};

int main(int argc, char **argv)
{
	char ref[MITOSIS_REF_MAX], c;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (argc < 2) {
			puts(kinds[i].name);
			continue;
		}
		if (strcmp(kinds[i].name, argv[1]))
			continue;
		if (!kinds[i].make()) {
			printf("%s: %s\n", argv[1], strerror(errno));
			return 77;
		}
		int ret = mitosis_prepare(NULL, ref);

		if (ret) {
			/* What it has still works. */
			printf("%s: %s%s\n", argv[1], ret > 0 ? "a child" : strerror(-ret),
			       uring_enter(&ring, 0, 0) ? "" : ", and it goes on");
			return 1;
		}
		puts(ref);
		fflush(stdout);
		return read(0, &c, 1) < 0;
	}
	return argc < 2 ? 0 : 99;
}
