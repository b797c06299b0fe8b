// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * arena.c - the memory that the restorer runs in: code, stack, arguments, descriptor, plan, hot
 * pages, and a tail that outlasts the rest. It lies where neither the parent nor this process has
 * anything.
 */
#include "api/log.h"
#include "context.h"
#include "net/net.h"
#include "pie/blobs.h"
#include "restore/restorer.h"
#include "restore/resume.h"
#include "state/state.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ARENA_STACK	(64UL << 10)
#define ARENA_MARGIN	(16UL << 20)	/* kept free around it */

static uint64_t page_up(uint64_t bytes)
{
	return (bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
}

static bool hole_is_free(const struct descriptor *d, uint64_t start, uint64_t length)
{
	const struct descriptor_vma *v = descriptor_at(d, d->vmas);

	for (uint32_t i = 0; i < d->vmas.count; i++)
		if (v[i].start < start + length + ARENA_MARGIN && v[i].end + ARENA_MARGIN > start)
			return false;
	return true;
}

/* An address range that is free in the parent's memory and in ours. */
static int map_arena(struct resume *r)
{
	int err = ENOMEM;

	for (uint64_t at = 1ULL << 36; at + r->arena_length < 1ULL << 46; at += 1ULL << 32) {
		void *got;

		if (!hole_is_free(r->d, at, r->arena_length))
			continue;
		got = mmap((void *)at, r->arena_length, PROT_READ | PROT_WRITE | PROT_EXEC,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_NORESERVE, -1,
			   0);
		if (got == (void *)at) {
			r->arena = at;
			return 0;
		}
		if (got != MAP_FAILED) {
			munmap(got, r->arena_length);
		} else if (errno != EEXIST) {
			/*
			 * EACCES, EPERM: memory that is writable and executable is forbidden here.
			 */
			err = errno;
			break;
		}
	}
	log_error("%s: no memory for the restorer: %s", r->ref->address, strerror(err));
	return -err;
}

static void *carve(uint64_t *at, uint64_t bytes)
{
	void *got = (void *)*at;

	*at += (bytes + 63) & ~63ULL;
	return got;
}

static void *carve_copy(uint64_t *at, const void *from, uint64_t bytes)
{
	void *got = carve(at, bytes);

	memcpy(got, from, bytes);
	return got;
}

int arena_build(struct resume *r)
{
	uint64_t code = (uint64_t)(mitosis_restorer_blob_end - mitosis_restorer_blob);
	uint64_t leave = (uint64_t)(arch_leave_end - (const char *)arch_leave);
	const struct descriptor *d = r->d;
	uint64_t hot = d->hot_pages * PAGE_BYTES, at,
		 tail = page_up(leave + 2 * FRAME_ALIGN + threads_frame_bytes(d));
	struct restorer_args *a;
	int err;

	r->arena_length = page_up(code) + ARENA_STACK +
			  page_up(sizeof(*a) + d->length +
				  r->plan.step_count * sizeof(struct map_step) +
				  (r->plan.missing_count + r->plan.backed_count) *
					  sizeof(struct descriptor_extent) +
				  1024) +
			  (d->threads.count - 1) * RESTORER_THREAD_STACK + hot + tail;
	err = map_arena(r);
	if (err)
		return err;
	memcpy((void *)r->arena, mitosis_restorer_blob, code);
	at = r->arena + page_up(code) + ARENA_STACK;
	r->stack_top = (void *)at;
	a = carve(&at, sizeof(*a));
	*a = (struct restorer_args){
		.arena = r->arena,
		.arena_length = r->arena_length,
		.tail = r->arena + r->arena_length - tail,
		.tail_bytes = tail,
		.step_count = r->plan.step_count,
		.missing_count = r->plan.missing_count,
		.uffd = -1,
		.socket_fd = -1,
		.remote_fd = -1,
		.exe_fd = r->plan.exe_fd,
		.supervisor = getpid(),
		.is_remote = r->memory.backing_fd >= 0,
		.change_credentials = r->change_credentials,
		.number = r->number,
	};
	a->descriptor = carve_copy(&at, d, d->length);
	a->steps = carve_copy(&at, r->plan.steps, r->plan.step_count * sizeof(struct map_step));
	a->missing = carve_copy(&at, r->plan.missing,
				r->plan.missing_count * sizeof(struct descriptor_extent));
	if (r->memory.populate) {
		a->populate = carve_copy(&at, r->plan.backed,
					 r->plan.backed_count * sizeof(struct descriptor_extent));
		a->populate_count = r->plan.backed_count;
	}
	at = page_up(at);
	a->thread_stacks = at;
	at += (d->threads.count - 1) * RESTORER_THREAD_STACK;
	a->hot_data = (void *)at;
	r->restorer = a;
	err = session_read(r->socket_fd, (void *)a->hot_data, hot);
	if (err)
		log_error("%s: connection lost: %s", r->ref->address, strerror(-err));
	return err;
}
