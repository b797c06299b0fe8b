// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * uring-make.c - a new ring of io_uring that is what another one was.
 *
 * The kernel counts from 0 on, and programs count along: as many requests for nothing are made as
 * there have been. Then its memory gets the entries that the other one had.
 */
#include "state/files/uring.h"

#ifdef IN_LIBRARY

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

const char *uring_why(const struct descriptor *d, const struct descriptor_file *f)
{
	static const char *const whys[] = {
#define WHY(number, text) [number] = text,
		URING_WHYS(WHY)
#undef WHY
	};
	const struct uring_state *u = file_payload(d, f, sizeof(*u));

	if (f->flags & FILE_ELSEWHERE)
		return "another process has it too";
	if (f->flags & FILE_LATE)
		return "it was opened while the snapshot was taken";
	return u->why ? whys[u->why] : NULL;
}

struct ring {
	int fd;
	char *memory, *sqes;		/* MAP_FAILED: not mapped */
	uint64_t bytes, sqe_bytes;
};

static uint32_t *word(const struct ring *r, uint32_t offset)
{
	return (uint32_t *)(r->memory + offset);
}

/* Requests that do nothing, and their completions. 0 or -errno. */
static int count_on(const struct ring *r, const struct uring_state *u)
{
	const struct uring_layout *l = &u->layout;
	uint32_t done = 0;

	for (uint32_t i = 0; i < u->sq_entries && !(u->setup & IORING_SETUP_NO_SQARRAY); i++)
		word(r, l->array)[i] = i;
	while (done < u->count) {
		uint32_t left = u->count - done;
		uint32_t to = done + (left < u->sq_entries ? left : u->sq_entries);

		__atomic_store_n(word(r, l->sq_tail), to, __ATOMIC_RELEASE);
		while (done < to) {
			long n = syscall(SYS_io_uring_enter, r->fd, to - done, to - done,
					 IORING_ENTER_GETEVENTS, NULL, 0);

			if (n < 0 && errno == EINTR)
				continue;
			if (n <= 0)
				return n ? -errno : -EIO;
			done += (uint32_t)n;
		}
		if (__atomic_load_n(word(r, l->cq_tail), __ATOMIC_ACQUIRE) != done)
			return -EIO;
		__atomic_store_n(word(r, l->cq_head), done, __ATOMIC_RELEASE);
	}
	return 0;
}

static bool is_same(const struct ring *r, const struct uring_state *u)
{
	const struct uring_layout *l = &u->layout;

	return *word(r, l->sq_head) == u->count && *word(r, l->sq_tail) == u->count &&
	       *word(r, l->cq_head) == u->count && *word(r, l->cq_tail) == u->count &&
	       *word(r, l->sq_mask) == u->sq_entries - 1 &&
	       *word(r, l->cq_mask) == u->cq_entries - 1 && !*word(r, l->sq_dropped) &&
	       !*word(r, l->sq_flags) && !*word(r, l->cq_overflow) && !*word(r, l->cq_flags);
}

static int fill(struct ring *r, const struct uring_state *u)
{
	const char *entries = (const char *)(u + 1);
	int err;

	r->memory = mmap(NULL, r->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, r->fd,
			 IORING_OFF_SQ_RING);
	r->sqes = mmap(NULL, r->sqe_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
		       r->fd, IORING_OFF_SQES);
	if (r->memory == MAP_FAILED || r->sqes == MAP_FAILED)
		return -errno;
	err = count_on(r, u);
	if (err)
		return err;
	memcpy(r->sqes, entries, r->sqe_bytes);
	memcpy(r->memory + u->layout.cqes, entries + r->sqe_bytes, r->bytes - u->layout.cqes);
	return is_same(r, u) ? 0 : -EIO;
}

int uring_make(const struct descriptor *d, const struct descriptor_file *f, char *why, size_t size)
{
	const struct uring_state *u = file_payload(d, f, sizeof(*u));
	const char *known = uring_why(d, f);
	struct io_uring_params p = { .flags = IORING_SETUP_CQSIZE };
	struct ring r = { .memory = MAP_FAILED, .sqes = MAP_FAILED };
	struct uring_layout layout;
	int err = 0;

	if (known || u->count > URING_COUNT_MAX) {
		if (known)
			snprintf(why, size, "%s", known);
		else
			snprintf(why, size,
				 "it has had %u requests, more than the %u that are counted again",
				 u->count, URING_COUNT_MAX);
		return -ENOTSUP;
	}
	p.flags |= u->setup;
	p.cq_entries = u->cq_entries;
	r.fd = (int)syscall(SYS_io_uring_setup, u->sq_entries, &p);
	if (r.fd < 0) {
		err = errno;
		snprintf(why, size, "io_uring_setup: %s%s", strerror(err),
			 err == EPERM ? " (see kernel.io_uring_disabled)" : "");
		return err == EMFILE || err == ENFILE ? -err : -ENOTSUP;
	}
	uring_layout_of(&p, &layout);
	/* Where there is no array its place is not told. */
	if (u->setup & IORING_SETUP_NO_SQARRAY)
		layout.array = u->layout.array;
	if (memcmp(&layout, &u->layout, sizeof(layout)) || p.sq_entries != u->sq_entries ||
	    p.cq_entries != u->cq_entries || u->features & ~p.features) {
		snprintf(why, size, "this kernel's rings are others");
		err = -ENOTSUP;
	}
	r.bytes = uring_bytes(u);
	r.sqe_bytes = uring_sqe_bytes(u);
	if (!err) {
		err = fill(&r, u);
		if (err)
			snprintf(why, size, "a new one cannot be brought so far: %s",
				 strerror(-err));
	}
	if (r.memory != MAP_FAILED)
		munmap(r.memory, r.bytes);
	if (r.sqes != MAP_FAILED)
		munmap(r.sqes, r.sqe_bytes);
	if (err) {
		close(r.fd);
		return -ENOTSUP;
	}
	return r.fd;
}

#endif
