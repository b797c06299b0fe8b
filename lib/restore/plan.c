// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * plan.c - decides for each area of a snapshot where its content comes from: the local file, the
 * hot pages that came with the descriptor, or the parent's host.
 */
#include "api/log.h"
#include "restore/samefile.h"
#include "restore/plan.h"
#include "restore/restorer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define STACK_ROOM_DEFAULT	(8UL << 20)	/* where the parent's stack was unlimited */
#define STACK_ROOM_MAX		(1UL << 30)
#define STACK_GUARD		(1UL << 20)	/* the kernel's stack_guard_gap */

struct maker {
	struct plan *plan;
	const struct descriptor *d;
	const char *object;
	const struct descriptor_mapped *files;
	const struct descriptor_extent *extents, *hot;
	uint32_t hot_at;
	int error;			/* of keeping a descriptor */
	/* Descriptors opened so far: per file, read-only and for shared writing; 0: not tried, -1: no */
	int *read_fd, *write_fd;
	int backing_fd;			/* -1: anonymous memory is anonymous memory */
};

static int keep_fd(struct maker *m, int fd)
{
	int high = fcntl(fd, F_DUPFD_CLOEXEC, m->plan->fd_next);

	if (high >= 0)
		m->plan->fd_next = high + 1;
	else
		m->error = errno == EINVAL ? -EMFILE : -errno;	/* above the limit */
	close(fd);
	return high;
}

/* The local file, if it is the same one; else -1. */
static int local_file(struct maker *m, uint32_t index, bool writable)
{
	const struct descriptor_mapped *f = &m->files[index];
	int *known = writable ? &m->write_fd[index] : &m->read_fd[index];

	if (*known)
		return *known;
	*known = -1;
	if (f->gone)
		return -1;
	int fd = open(descriptor_string(m->d, f->path), (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE)
			m->error = -errno;
		return -1;
	}
	if (!file_is_same(f, fd)) {
		close(fd);
		return -1;
	}
	*known = keep_fd(m, fd);
	return *known;
}

static struct map_step *add_step(struct maker *m, uint64_t start, uint64_t end, uint32_t prot)
{
	struct map_step *s = &m->plan->steps[m->plan->step_count++];

	*s = (struct map_step){ .start = start, .end = end, .fd = -1, .prot = prot };
	return s;
}

static void add_missing(struct maker *m, uint64_t start, uint64_t pages)
{
	m->plan->missing[m->plan->missing_count++] = (struct descriptor_extent){ start, pages };
	m->plan->missing_pages += pages;
}

/* What of [start, start + pages) is not hot is missing. Called in ascending order. */
static void subtract_hot(struct maker *m, uint64_t start, uint64_t pages)
{
	uint64_t end = start + pages * PAGE_BYTES;

	for (; m->hot_at < m->d->hot.count; m->hot_at++) {
		const struct descriptor_extent *h = &m->hot[m->hot_at];
		uint64_t hot_end = h->start + h->pages * PAGE_BYTES;

		if (h->start >= end)
			break;
		if (hot_end <= start)
			continue;
		if (h->start > start)
			add_missing(m, start, (h->start - start) / PAGE_BYTES);
		start = hot_end;
		if (start >= end)
			return;
	}
	add_missing(m, start, (end - start) / PAGE_BYTES);
}

/* The initial stack comes back as ordinary memory, with the room below that it might have grown into. */
static void add_stack_room(struct maker *m, const struct descriptor_vma *v, uint64_t below)
{
	uint64_t limit = m->d->limits[RLIMIT_STACK].soft, low;

	if (limit == RLIM_INFINITY)
		limit = STACK_ROOM_DEFAULT;
	if (limit > STACK_ROOM_MAX)
		limit = STACK_ROOM_MAX;
	limit &= ~(PAGE_BYTES - 1);
	if (limit >= v->end)
		return;
	low = v->end - limit;
	if (low < below + STACK_GUARD)
		low = below + STACK_GUARD;
	if (low < v->start)
		add_step(m, low, v->start, v->prot)->flags = MAP_STEP_GUARD;
}

/* Does the name of a file stand for memory that others write to, of memfd_create(2), mmap(2), shmget(2) or shm_open(3)? */
static bool is_memory(const char *name)
{
	static const char *const prefixes[] = { "/memfd:", "/dev/zero", "/SYSV", "/dev/shm/" };

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (!strncmp(name, prefixes[i], strlen(prefixes[i])))
			return true;
	return false;
}

static bool has_guards(const struct maker *m, const struct descriptor_vma *v)
{
	const struct descriptor_extent *guards = descriptor_at(m->d, m->d->guards);

	for (uint32_t i = 0; i < m->d->guards.count; i++)
		if (guards[i].start >= v->start && guards[i].start < v->end)
			return true;
	return false;
}

static int plan_area(struct maker *m, const struct descriptor_vma *v, uint64_t below, bool on_demand)
{
	uint32_t missing_before = m->plan->missing_count;
	const char *name = v->flags & VMA_FILE ? descriptor_string(m->d, m->files[v->mapped].path) : "";
	bool travels = v->flags & VMA_FILE;
	struct map_step *s;

	if (v->flags & VMA_VDSO)
		return 0;
	if (v->flags & VMA_STACK)
		add_stack_room(m, v, below);
	s = add_step(m, v->start, v->end, v->prot);
	if (v->flags & VMA_DROPPABLE)
		s->flags |= MAP_STEP_DROPPABLE;
	else if (v->flags & VMA_WIPED)
		s->flags |= MAP_STEP_WIPED;
	if (v->flags & VMA_SHARED && v->flags & VMA_FILE) {
		s->fd = local_file(m, v->mapped, v->prot & PROT_WRITE);
		if (s->fd >= 0) {
			s->flags |= MAP_STEP_SHARED;
			s->offset = v->offset;
			return 0;
		}
	}
	if (v->flags & VMA_SHARED && (v->prot & PROT_WRITE || !(v->flags & VMA_FILE) || is_memory(name))) {
		log_error("%s: the parent has shared %smemory at 0x%llx (%s), which a snapshot cannot freeze", m->object,
			  v->prot & PROT_WRITE ? "writable " : "", (unsigned long long)v->start, *name ? name : "anonymous");
		return -ENOTSUP;
	}
	if (v->flags & VMA_FILE && !(v->flags & (VMA_TRAVELS | VMA_SHARED))) {
		s->fd = local_file(m, v->mapped, false);
		if (s->fd >= 0) {
			s->offset = v->offset;
			travels = false;
			/* userfaultfd does not serve file mappings: the modified pages must be here. */
			for (uint32_t i = 0; i < v->extents; i++)
				subtract_hot(m, m->extents[v->first_extent + i].start,
					     m->extents[v->first_extent + i].pages);
			if (m->plan->missing_count != missing_before) {
				log_error("%s: malformed descriptor: modified pages of %s are missing", m->object, name);
				return -EPROTO;
			}
			return 0;
		}
	}
	if (travels && has_guards(m, v)) {
		log_error("%s: the parent has guard pages in its mapping of %s, which differs here", m->object, name);
		return -ENOTSUP;
	}
	if (travels) {
		/* All pages of the mapping that the file has; the rest would raise SIGBUS anyway. */
		const struct descriptor_mapped *f = &m->files[v->mapped];
		uint64_t pages = (v->end - v->start) / PAGE_BYTES, in_file;

		in_file = f->size <= v->offset ? 0 : (f->size - v->offset + PAGE_BYTES - 1) / PAGE_BYTES;
		if (in_file < pages)
			pages = in_file;
		log_debug("%s: %s differs here: its pages travel", m->object, name);
		if (pages)
			subtract_hot(m, v->start, pages);
	} else {
		for (uint32_t i = 0; i < v->extents; i++)
			subtract_hot(m, m->extents[v->first_extent + i].start,
				     m->extents[v->first_extent + i].pages);
	}
	if (m->plan->missing_count == missing_before)
		return 0;
	if (m->backing_fd >= 0 && !travels && !(v->flags & VMA_STACK)) {
		/* The file behind the area has them: offset and address are the same. */
		for (uint32_t i = missing_before; i < m->plan->missing_count; i++) {
			m->plan->backed[m->plan->backed_count++] = m->plan->missing[i];
			m->plan->missing_pages -= m->plan->missing[i].pages;
		}
		m->plan->missing_count = missing_before;
		s->flags |= MAP_STEP_BACKED;
		s->fd = m->backing_fd;
		s->offset = v->start;
		return 0;
	}
	if (v->flags & VMA_STACK && on_demand) {
		log_error("%s: malformed descriptor: stack pages are missing", m->object);
		return -EPROTO;
	}
	s->flags |= MAP_STEP_UFFD;
	return 0;
}

int plan_make(struct plan *plan, const struct descriptor *d, const char *object, const struct child_memory *memory)
{
	const struct descriptor_vma *vmas = descriptor_at(d, d->vmas);
	const struct descriptor_fd *fds = descriptor_at(d, d->fds);
	struct maker m = {
		.plan = plan, .d = d, .object = object, .files = descriptor_at(d, d->mapped),
		.extents = descriptor_at(d, d->extents), .hot = descriptor_at(d, d->hot), .backing_fd = -1,
	};
	uint64_t below = 0;
	int err = 0;

	*plan = (struct plan){ .fd_base = 64, .exe_fd = -1 };
	for (uint32_t i = 0; i < d->fds.count; i++)
		if ((int)fds[i].fd >= plan->fd_base)
			plan->fd_base = (int)fds[i].fd + 1;
	plan->fd_next = plan->fd_base;
	/* At most one more step (the stack's room), and one more run per hot run. */
	plan->steps = calloc(d->vmas.count + 1, sizeof(*plan->steps));
	plan->missing = calloc((size_t)d->extents.count + d->hot.count + d->vmas.count + 1,
			       sizeof(*plan->missing));
	m.read_fd = calloc(d->mapped.count + 1, sizeof(int));
	m.write_fd = calloc(d->mapped.count + 1, sizeof(int));
	plan->backed = calloc((size_t)d->extents.count + d->hot.count + 1, sizeof(*plan->backed));
	if (!plan->steps || !plan->missing || !plan->backed || !m.read_fd || !m.write_fd)
		err = -ENOMEM;
	if (!err && memory->backing_fd >= 0) {
		/* One of the child's own; the supervisor keeps the other. */
		m.backing_fd = fcntl(memory->backing_fd, F_DUPFD_CLOEXEC, plan->fd_next);
		if (m.backing_fd < 0)
			m.error = errno == EINVAL ? -EMFILE : -errno;
		else
			plan->fd_next = m.backing_fd + 1;
	}
	for (uint32_t i = 0; i < d->vmas.count && !err && !m.error; i++) {
		err = plan_area(&m, &vmas[i], below, memory->on_demand);
		below = vmas[i].end;
	}
	if (m.error) {
		err = m.error;
		log_error("%s: no descriptor from %d on, above the parent's: %s", object, plan->fd_base, strerror(-err));
	}
	for (uint32_t i = 0; i < d->mapped.count && !err; i++)
		if (m.read_fd[i] > 0 && d->exe && m.files[i].path &&
		    !strcmp(descriptor_string(d, m.files[i].path), descriptor_string(d, d->exe)))
			plan->exe_fd = m.read_fd[i];
	free(m.read_fd);
	free(m.write_fd);
	if (err)
		plan_free(plan);
	return err;
}

void plan_free(struct plan *plan)
{
	for (int fd = plan->fd_base; fd < plan->fd_next; fd++)
		close(fd);
	free(plan->steps);
	free(plan->missing);
	free(plan->backed);
	*plan = (struct plan){ 0 };
}
