/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * uring.h - what the snapshot has of a ring of io_uring: uring.c notes it, uring-make.c makes one.
 *
 * A ring that is at rest is carried: every request that was made has had its completion, and the
 * program has seen it. What is in its memory, its counters included, is the same in a child. The
 * kernel says little of a ring; what it does not say has to follow from its answers to calls that
 * change nothing, or from the ring's memory. In doubt the ring is refused, with the reason.
 */
#ifndef MITOSIS_URING_H
#define MITOSIS_URING_H

#include <linux/io_uring.h>

#include "state/files/kind.h"

#define URING_NAME	"anon_inode:[io_uring]"

#ifndef IORING_SETUP_NO_SQARRAY
#define IORING_SETUP_NO_SQARRAY	(1U << 16)	/* Linux 6.6 */
#endif

/* Most requests that are counted again in a child, at some 80 ns each. */
#define URING_COUNT_MAX	(1U << 24)
#define URING_SQ_MAX	32768U
#define URING_CQ_MAX	65536U

/* Why it cannot be carried. */
#define URING_WHYS(WHY) \
	WHY(URING_IDLE, "") \
	WHY(URING_UNSEEN, "it could not be looked at while the parent stood still") \
	WHY(URING_TWO, "it cannot be told from another one") \
	WHY(URING_CONFINED, "the parent is confined by seccomp, and the kernel cannot be asked") \
	WHY(URING_UNKNOWN, "what the kernel says of it is not understood") \
	WHY(URING_BUSY, "it has requests in flight, or completions that were not read") \
	WHY(URING_UNEVEN, "not every request has had just one completion") \
	WHY(URING_DROPPED, "it has dropped requests or completions, or has signs set") \
	WHY(URING_SQPOLL, "a thread of the kernel's reads its requests (IORING_SETUP_SQPOLL)") \
	WHY(URING_FILES, "files are registered with it") \
	WHY(URING_BUFFERS, "buffers are registered with it") \
	WHY(URING_EVENTFD, "an eventfd is registered with it") \
	WHY(URING_NUMBERED, "a thread has a number of its own for it, or another one " \
			    "(IORING_REGISTER_RING_FDS)") \
	WHY(URING_OWNED, "one thread alone may use it (IORING_SETUP_SINGLE_ISSUER)") \
	WHY(URING_RESTRICTED, "it is restricted, or not enabled yet") \
	WHY(URING_IOPOLL, "it polls devices (IORING_SETUP_IOPOLL)") \
	WHY(URING_UNMAPPED, "its memory is not mapped as a whole, for reading") \
	WHY(URING_SIZES, "there is no telling how large its entries are") \
	WHY(URING_ARRAY, "there is no telling how its requests are numbered") \
	WHY(URING_REQUESTS, "it has had requests that complete more than once, " \
			    "or that cannot be seen while they wait")

enum uring_why {
#define WHY(number, text) number,
	URING_WHYS(WHY)
#undef WHY
	URING_WHY_COUNT
};

/* Where things are in its memory: io_uring_setup(2). */
struct uring_layout {
	uint32_t sq_head, sq_tail, sq_mask, sq_entries, sq_flags, sq_dropped, array;
	uint32_t cq_head, cq_tail, cq_mask, cq_entries, cq_overflow, cqes, cq_flags;
};

/* Payload. If it is idle, the SQEs follow, and the ring's memory from .cqes on. */
struct uring_state {
	uint32_t why;			/* enum uring_why; if it is not 0, nothing else is valid */
	uint32_t setup;			/* IORING_SETUP_NO_SQARRAY, or nothing */
	uint32_t sq_entries, cq_entries;
	uint32_t count;			/* of requests, and of completions */
	uint32_t features;		/* IORING_FEAT_* of the kernel there */
	struct uring_layout layout;
};

static inline void uring_layout_of(const struct io_uring_params *p, struct uring_layout *l)
{
	*l = (struct uring_layout){
		.sq_head = p->sq_off.head, .sq_tail = p->sq_off.tail,
		.sq_mask = p->sq_off.ring_mask, .sq_entries = p->sq_off.ring_entries,
		.sq_flags = p->sq_off.flags, .sq_dropped = p->sq_off.dropped,
		.array = p->sq_off.array,
		.cq_head = p->cq_off.head, .cq_tail = p->cq_off.tail,
		.cq_mask = p->cq_off.ring_mask, .cq_entries = p->cq_off.ring_entries,
		.cq_overflow = p->cq_off.overflow, .cqes = p->cq_off.cqes,
		.cq_flags = p->cq_off.flags,
	};
}

/* The memory of a ring without its SQEs. */
static inline uint64_t uring_bytes(const struct uring_state *u)
{
	if (u->setup & IORING_SETUP_NO_SQARRAY)
		return u->layout.cqes + (uint64_t)u->cq_entries * sizeof(struct io_uring_cqe);
	return u->layout.array + (uint64_t)u->sq_entries * sizeof(uint32_t);
}

static inline uint64_t uring_sqe_bytes(const struct uring_state *u)
{
	return (uint64_t)u->sq_entries * sizeof(struct io_uring_sqe);
}

#endif
