/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* uring.h - a ring of io_uring, for programs that have one. */
#ifndef TEST_URING_H
#define TEST_URING_H

#include <errno.h>
#include <linux/io_uring.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef IORING_SETUP_NO_SQARRAY
#define IORING_SETUP_NO_SQARRAY	(1U << 16)	/* Linux 6.6 */
#endif

struct uring {
	int fd;
	struct io_uring_params params;
	char *memory;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
	uint64_t bytes, sqe_bytes;
};

static inline uint32_t *uring_word(const struct uring *r, uint32_t offset)
{
	return (uint32_t *)(r->memory + offset);
}

/* With the queue's array, if it has one, filled once for all as liburing does it. */
static inline bool uring_setup(struct uring *r, uint32_t entries, uint32_t flags)
{
	*r = (struct uring){ .params.flags = flags, .params.sq_thread_idle = 60000 };
	r->fd = (int)syscall(SYS_io_uring_setup, entries, &r->params);
	if (r->fd < 0)
		return false;
	r->bytes = r->params.cq_off.cqes +
		   r->params.cq_entries * sizeof(struct io_uring_cqe) * (flags & IORING_SETUP_CQE32 ? 2 : 1);
	if (!(flags & IORING_SETUP_NO_SQARRAY))
		r->bytes = r->params.sq_off.array + r->params.sq_entries * sizeof(uint32_t);
	r->sqe_bytes = r->params.sq_entries * sizeof(struct io_uring_sqe) * (flags & IORING_SETUP_SQE128 ? 2 : 1);
	r->memory = mmap(NULL, r->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, r->fd, IORING_OFF_SQ_RING);
	r->sqes = mmap(NULL, r->sqe_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, r->fd, IORING_OFF_SQES);
	if (r->memory == MAP_FAILED || (void *)r->sqes == MAP_FAILED)
		return false;
	r->cqes = (struct io_uring_cqe *)(r->memory + r->params.cq_off.cqes);
	for (uint32_t i = 0; i < r->params.sq_entries && !(flags & IORING_SETUP_NO_SQARRAY); i++)
		uring_word(r, r->params.sq_off.array)[i] = i;
	return true;
}

/* One more request, which the kernel is told of by uring_enter(). Counters are where the kernel sees them. */
static inline void uring_put(struct uring *r, const struct io_uring_sqe *q)
{
	uint32_t *tail = uring_word(r, r->params.sq_off.tail);

	r->sqes[(*tail & (r->params.sq_entries - 1)) << !!(r->params.flags & IORING_SETUP_SQE128)] = *q;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
}

static inline int uring_enter(const struct uring *r, uint32_t requests, uint32_t completions)
{
	return (int)syscall(SYS_io_uring_enter, r->fd, requests, completions,
			    completions ? IORING_ENTER_GETEVENTS : 0, NULL, 0);
}

/* The next completion, if there is one. */
static inline bool uring_take(struct uring *r, struct io_uring_cqe *c)
{
	uint32_t *head = uring_word(r, r->params.cq_off.head);

	if (*head == __atomic_load_n(uring_word(r, r->params.cq_off.tail), __ATOMIC_ACQUIRE))
		return false;
	*c = r->cqes[(*head & (r->params.cq_entries - 1)) << !!(r->params.flags & IORING_SETUP_CQE32)];
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return true;
}

/* A request and its completion: its result, or -EIO if that is another one's. */
static inline int uring_do(struct uring *r, const struct io_uring_sqe *q)
{
	struct io_uring_cqe c = { 0 }, more;

	uring_put(r, q);
	if (uring_enter(r, 1, 1) != 1 || !uring_take(r, &c) || uring_take(r, &more) || c.user_data != q->user_data)
		return -EIO;
	return c.res;
}

#endif
