// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* state-uring.c - rings of io_uring at rest, as the parent left them. */
#include "state.h"
#include "uring.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

/*
 * One is used as libuv does it: nothing is known but what is in the ring's memory, and there is no
 * array where the kernel can do without. The other one as liburing does it: with counters of its
 * own, which say where the next request goes. The third has never been used.
 */
static struct uring shared_ring, own_ring, new_ring;
static uint32_t own_tail, own_head, steps;
static int ring_epoll, ring_event, ring_file, ring_copy;
static char ring_text[64];
/* As liburing marks it on demand; before Linux 6.10 such a mark cannot be lifted. */
static bool ring_is_unforked;

static bool has_rings(void)
{
	struct uring r;
	bool has = uring_setup(&r, 1, 0);

	if (has) {
		munmap(r.memory, r.bytes);
		munmap(r.sqes, r.sqe_bytes);
	}
	if (r.fd >= 0)
		close(r.fd);
	return has;
}

/* Several changes of an epoll at once. */
static void change_epoll(uint32_t count)
{
	struct epoll_event e = { .events = EPOLLIN, .data.u64 = 77 };
	struct io_uring_cqe c;
	bool added = false;

	for (uint32_t i = 0; i < count; i++, added = !added)
		uring_put(&shared_ring, &(struct io_uring_sqe){
			.opcode = IORING_OP_EPOLL_CTL, .fd = ring_epoll,
			.off = (uint32_t)ring_event, .addr = (uintptr_t)&e,
			.len = added ? EPOLL_CTL_DEL : EPOLL_CTL_ADD, .user_data = steps + i,
			.flags = i + 1 < count ? IOSQE_IO_LINK : 0,
		});
	CHECK_EQUAL(uring_enter(&shared_ring, count, count), count);
	for (uint32_t i = 0; i < count; i++) {
		CHECK(uring_take(&shared_ring, &c));
		CHECK_EQUAL(c.user_data, steps + i);
		CHECK_EQUAL(c.res, 0);
	}
	CHECK(!uring_take(&shared_ring, &c));
	CHECK_EQUAL(epoll_wait(ring_epoll, &e, 1, 0), added);
	if (added)
		CHECK(e.data.u64 == 77 && !epoll_ctl(ring_epoll, EPOLL_CTL_DEL, ring_event, NULL));
	steps += count;
}

/* Of the kernel's counters only the other sides are looked at. */
static void read_piece(uint32_t at)
{
	uint32_t mask = own_ring.params.sq_entries - 1, cq_mask = own_ring.params.cq_entries - 1;
	struct io_uring_cqe *c = &own_ring.cqes[own_head & cq_mask];
	char got[8] = "";

	CHECK_EQUAL(__atomic_load_n(uring_word(&own_ring, own_ring.params.sq_off.head), __ATOMIC_ACQUIRE), own_tail);
	own_ring.sqes[own_tail & mask] = (struct io_uring_sqe){
		.opcode = IORING_OP_READ, .fd = ring_file, .off = at, .addr = (uintptr_t)got,
		.len = sizeof(got), .user_data = own_tail,
	};
	own_tail++;
	__atomic_store_n(uring_word(&own_ring, own_ring.params.sq_off.tail), own_tail, __ATOMIC_RELEASE);
	CHECK_EQUAL(uring_enter(&own_ring, 1, 1), 1);
	CHECK_EQUAL(__atomic_load_n(uring_word(&own_ring, own_ring.params.cq_off.tail), __ATOMIC_ACQUIRE), own_head + 1);
	CHECK_EQUAL(c->user_data, own_tail - 1);
	CHECK_EQUAL(c->res, sizeof(got));
	own_head++;
	__atomic_store_n(uring_word(&own_ring, own_ring.params.cq_off.head), own_head, __ATOMIC_RELEASE);
	CHECK(!memcmp(got, ring_text + at, sizeof(got)));
}

static void use_rings(void)
{
	for (uint32_t i = 0; i < 100; i++)
		change_epoll(i % 7 + 1);
	for (uint32_t i = 0; i < 57; i++)
		read_piece(i % 50);
}

static void build_uring(void)
{
	if (!has_rings())
		skipped(strerror(errno));
	ring_epoll = epoll_create1(EPOLL_CLOEXEC);
	ring_event = eventfd(1, EFD_CLOEXEC);
	ring_file = open("uring-file", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	for (size_t i = 0; i < sizeof(ring_text); i++)
		ring_text[i] = (char)('A' + i);
	CHECK(write(ring_file, ring_text, sizeof(ring_text)) == sizeof(ring_text));
	CHECK(uring_setup(&shared_ring, 256, IORING_SETUP_NO_SQARRAY) || uring_setup(&shared_ring, 256, 0));
	CHECK(uring_setup(&own_ring, 8, 0));
	CHECK(uring_setup(&new_ring, 64, IORING_SETUP_NO_SQARRAY) || uring_setup(&new_ring, 64, 0));
	ring_copy = fcntl(own_ring.fd, F_DUPFD, 200);
	ring_is_unforked = !madvise(own_ring.sqes, own_ring.sqe_bytes, MADV_DOFORK) &&
			   !madvise(own_ring.sqes, own_ring.sqe_bytes, MADV_DONTFORK) &&
			   !madvise(own_ring.memory, own_ring.bytes, MADV_DONTFORK);
	/* What an entry holds that is prepared, and not handed over yet. */
	use_rings();
	own_ring.sqes[own_tail & 7] = (struct io_uring_sqe){ .opcode = IORING_OP_NOP, .user_data = 4711 };
}

/* The parent's go on from where they were, too: what is made of them is not the same ring. */
static void after_uring(void)
{
	CHECK_EQUAL(is_unforked(own_ring.memory), ring_is_unforked);
	use_rings();
	CHECK_EQUAL(uring_do(&new_ring, &(struct io_uring_sqe){ .user_data = 5 }), 0);
}

static void verify_uring(void)
{
	char got[8];

	CHECK(fcntl(own_ring.fd, F_GETFD) & FD_CLOEXEC && !(fcntl(ring_copy, F_GETFD) & FD_CLOEXEC));
	CHECK_EQUAL(own_ring.sqes[own_tail & 7].user_data, 4711);
	CHECK_EQUAL(steps, *uring_word(&shared_ring, shared_ring.params.sq_off.tail));
	CHECK_EQUAL(own_tail, 57);
	CHECK_EQUAL(is_unforked(own_ring.memory), ring_is_unforked);
	CHECK_EQUAL(is_unforked((char *)own_ring.sqes), ring_is_unforked);
	CHECK(!is_unforked(shared_ring.memory));
	for (int i = 0; i < 10; i++)
		use_rings();
	CHECK_EQUAL(uring_do(&new_ring, &(struct io_uring_sqe){ .user_data = 5 }), 0);
	for (uint64_t i = 0; i < 300; i++)
		CHECK_EQUAL(uring_do(&new_ring, &(struct io_uring_sqe){ .opcode = IORING_OP_READ, .fd = ring_file,
				.addr = (uintptr_t)got, .len = sizeof(got), .user_data = i }), sizeof(got));
	CHECK(!memcmp(got, ring_text, sizeof(got)));
	/* The copy of the number leads to the same ring. */
	own_ring.fd = ring_copy;
	read_piece(3);
}

const struct state uring_states[] = {
	{ "uring", "rings of io_uring at rest, as libuv and liburing use them",
	  build_uring, after_uring, verify_uring },
	{ 0 },
};
