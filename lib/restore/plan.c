// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * plan.c - decides for each area of a snapshot where its content comes from: the local file, the
 * hot pages that came with the descriptor, or the parent's host.
 */
#include "api/log.h"
#include "restore/root.h"
#include "restore/samefile.h"
#include "restore/plan.h"
#include "restore/restorer.h"
#include "state/files/uring.h"
#include "state/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct maker {
	struct plan *plan;
	const struct descriptor *d;
	const char *object;
	const struct descriptor_mapped *files;
	const struct descriptor_extent *extents, *hot;
	uint32_t hot_at;
	int error;			/* of keeping a descriptor */
	/* Descriptors opened so far: for each use, per file; 0: not tried, -1: no */
	int *fds[3];
	int end_fd;			/* of a file without bytes; 0: not needed yet */
	bool same_host;			/* this is the parent's */
	int backing_fd;			/* -1: anonymous memory is anonymous memory */
	int *read_only;			/* of plan->nameless; 0: not opened yet */
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

enum use { USE_PRIVATE, USE_SHARED, USE_SHARED_WRITE };

/*
 * Of a shared mapping the content is the file's, whatever that is by now: on the parent's host any
 * file of the same number is the one, and the parent, who writes to it, may be why size and time
 * differ.
 */
static bool is_shared_file(const struct maker *m, const struct descriptor_mapped *f, int fd)
{
	struct stat st;

	return m->same_host && f->device && !fstat(fd, &st) && S_ISREG(st.st_mode) &&
	       st.st_dev == f->device && st.st_ino == f->inode;
}

/* The local file, if it is the same one; else -1. */
static int local_file(struct maker *m, uint32_t index, enum use use)
{
	const struct descriptor_mapped *f = &m->files[index];
	int *known = &m->fds[use][index], mode = use == USE_SHARED_WRITE ? O_RDWR : O_RDONLY;

	if (*known)
		return *known;
	*known = -1;
	if (f->gone && !(f->recent && use != USE_PRIVATE))
		return -1;
	int fd = root_open(descriptor_string(m->d, f->path), mode | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE)
			m->error = -errno;
		return -1;
	}
	if (!(use != USE_PRIVATE && is_shared_file(m, f, fd)) &&
	    !file_is_same(f, fd, m->same_host)) {
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

/*
 * Does the name of a file stand for memory that others write to, of memfd_create(2), mmap(2),
 * shmget(2) or shm_open(3), or that nobody but the program may read, of memfd_secret(2)? What is no
 * file has no path: the rings of sockets and perf.
 */
static bool is_memory(const char *name)
{
	static const char *const prefixes[] = { "/memfd:",    "/dev/zero", "/SYSV", "/dev/shm/",
						"/secretmem", "/dmabuf:",  "/[aio]" };

	if (*name != '/')
		return true;
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

/*
 * What the child has instead of the pages that its file lacks: those of a file without bytes raise
 * SIGBUS, too.
 */
static int plan_end(struct maker *m, struct map_step *s, uint64_t at)
{
	if (!m->end_fd) {
		int fd = memfd_create("behind-the-end-of-a-file", MFD_CLOEXEC);

		if (fd < 0)
			m->error = -errno;
		else
			m->end_fd = keep_fd(m, fd);
	}
	if (m->error)
		return m->error;
	if (at > s->start) {
		uint64_t end = s->end;

		s->end = at;
		s = add_step(m, at, end, s->prot);
	}
	s->fd = m->end_fd;
	return 0;
}

/* Has the snapshot pages of an area from this address on? */
static bool has_pages(const struct maker *m, const struct descriptor_vma *v, uint64_t at)
{
	for (uint32_t i = 0; i < v->extents; i++) {
		const struct descriptor_extent *e = &m->extents[v->first_extent + i];

		if (e->start + e->pages * PAGE_BYTES > at)
			return true;
	}
	for (uint32_t i = m->hot_at; i < m->d->hot.count && m->hot[i].start < v->end; i++)
		if (m->hot[i].start + m->hot[i].pages * PAGE_BYTES > at)
			return true;
	return false;
}

/*
 * One new file for each that has no name there. Filled, and given its permissions, later:
 * contents.c.
 */
static void make_nameless(struct maker *m)
{
	const struct descriptor_nameless *n = descriptor_at(m->d, m->d->nameless);
	char why[NAMELESS_WHY_MAX];

	for (uint32_t i = 0; i < m->d->nameless.count && !m->error; i++, n++) {
		const char *name = descriptor_string(m->d, n->name), *end;
		char given[200];
		int fd;

		m->plan->nameless[i] = -1;
		if (nameless_why(n, why))
			continue;
		if (!strncmp(name, "/memfd:", 7))
			name += 7;
		end = strstr(name, " (deleted)");
		snprintf(given, sizeof(given), "%.*s", end ? (int)(end - name) : (int)strlen(name),
			 name);
		fd = memfd_create(given, MFD_CLOEXEC | MFD_ALLOW_SEALING);
		if (fd < 0) {
			m->error = -errno;
		} else if (ftruncate(fd, (off_t)n->size)) {
			m->error = -errno;
			close(fd);
		} else {
			m->plan->nameless[i] = keep_fd(m, fd);
		}
	}
}

/*
 * What is read-only for ever in the parent is so in the child: it is mapped from a descriptor that
 * only reads. Where a seal forbids to map it for writing the parent had done that before, and so
 * does the child (F_SEAL_FUTURE_WRITE).
 */
static int nameless_fd(struct maker *m, const struct descriptor_vma *v)
{
	const struct descriptor_nameless *n = descriptor_at(m->d, m->d->nameless);
	int *fd = &m->read_only[v->mapped];
	char name[40];

	if (n[v->mapped].seals & F_SEAL_FUTURE_WRITE)
		m->plan->sealed_late[v->mapped] = true;
	if (v->prot & PROT_WRITE || v->flags & VMA_MAY_WRITE || m->plan->sealed_late[v->mapped])
		return m->plan->nameless[v->mapped];
	if (!*fd) {
		snprintf(name, sizeof(name), "/proc/self/fd/%d", m->plan->nameless[v->mapped]);
		*fd = open(name, O_RDONLY | O_CLOEXEC);
		if (*fd < 0)
			m->error = -errno;
		else
			*fd = keep_fd(m, *fd);
	}
	return *fd;
}

/* On the last of its mappings. */
static void seal_late(struct maker *m)
{
	const struct descriptor_nameless *n = descriptor_at(m->d, m->d->nameless);

	for (uint32_t i = 0; i < m->d->nameless.count; i++)
		for (uint32_t k = m->plan->step_count; m->plan->sealed_late[i] && k-- > 0;)
			if (m->plan->steps[k].fd == m->plan->nameless[i]) {
				m->plan->steps[k].seals = n[i].seals;
				break;
			}
}

static int refuse_nameless(const struct maker *m, const struct descriptor_vma *v)
{
	const struct descriptor_nameless *n = (const struct descriptor_nameless *)
						      descriptor_at(m->d, m->d->nameless) +
					      v->mapped;
	char why[NAMELESS_WHY_MAX];

	log_error("%s: the parent has shared %smemory at 0x%llx (%s), which a snapshot cannot freeze: %s",
		  m->object, v->prot & PROT_WRITE ? "writable " : "", (unsigned long long)v->start,
		  descriptor_string(m->d, n->name), nameless_why(n, why));
	return -ENOTSUP;
}

static int refuse_shared(const struct maker *m, const struct descriptor_vma *v, const char *name)
{
	const char *writable = v->prot & PROT_WRITE ? "writable " : "";

	if (v->flags & VMA_FILE && !is_memory(name))
		log_error("%s: the parent has shared %smemory at 0x%llx of %s, which %s", m->object,
			  writable, (unsigned long long)v->start, name,
			  m->same_host || !m->files[v->mapped].recent
				  ? "is another file here, or none"
				  : "had changed within two seconds before the snapshot: "
				    "on another host there is no telling whether a file is the same");
	else
		log_error("%s: the parent has shared %smemory at 0x%llx (%s), which a snapshot cannot freeze",
			  m->object, writable, (unsigned long long)v->start,
			  *name ? name : "anonymous");
	return -ENOTSUP;
}

/* Of whatever a mapping of a ring belongs to that is open, too. */
static int plan_uring(struct maker *m, const struct descriptor_vma *v, struct map_step *s)
{
	const struct descriptor_file *files = descriptor_at(m->d, m->d->files);
	const char *reason = "no descriptor of it is open";
	char why[160];

	for (uint32_t i = 0; i < m->d->files.count; i++) {
		int *fd = &m->plan->urings[i];

		if (files[i].kind != FILE_URING || files[i].inode != m->files[v->mapped].inode)
			continue;
		if (*fd < 0) {
			*fd = uring_make(m->d, &files[i], why, sizeof(why));
			if (*fd >= 0)
				*fd = keep_fd(m, *fd);
			if (m->error)
				return m->error;
		}
		if (*fd >= 0) {
			s->fd = *fd;
			s->flags |= MAP_STEP_SHARED | MAP_STEP_URING;
			s->offset = v->offset;
			return 0;
		}
		reason = why;
	}
	log_error("%s: the parent has shared %smemory at 0x%llx (%s), which a snapshot cannot freeze: %s",
		  m->object, v->prot & PROT_WRITE ? "writable " : "", (unsigned long long)v->start,
		  URING_NAME, reason);
	return -ENOTSUP;
}

static int plan_area(struct maker *m, const struct descriptor_vma *v, bool on_demand)
{
	uint32_t missing_before = m->plan->missing_count;
	const char *name = v->flags & VMA_FILE ? descriptor_string(m->d, m->files[v->mapped].path)
					       : "";
	bool travels = v->flags & VMA_FILE;
	struct map_step *s;

	if (v->flags & VMA_VDSO)
		return 0;
	s = add_step(m, v->start, v->end, v->prot);
	if (v->flags & VMA_DROPPABLE)
		s->flags |= MAP_STEP_DROPPABLE;
	else if (v->flags & VMA_WIPED)
		s->flags |= MAP_STEP_WIPED;
	if (v->flags & VMA_GROWS_DOWN)
		s->flags |= MAP_STEP_GROWS_DOWN;
	if (v->flags & VMA_NAMELESS) {
		if (m->plan->nameless[v->mapped] < 0)
			return refuse_nameless(m, v);
		s->fd = nameless_fd(m, v);
		s->flags |= MAP_STEP_SHARED;
		s->offset = v->offset;
		return 0;
	}
	if (v->flags & VMA_SHARED && !strcmp(name, URING_NAME))
		return plan_uring(m, v, s);
	if (v->flags & VMA_SHARED && v->flags & VMA_FILE) {
		bool writable = v->prot & PROT_WRITE;

		s->fd = local_file(m, v->mapped,
				   writable || v->flags & VMA_MAY_WRITE ? USE_SHARED_WRITE
									: USE_SHARED);
		if (s->fd < 0 && v->flags & VMA_MAY_WRITE) {
			m->plan->read_only = v;
			s->fd = local_file(m, v->mapped, USE_SHARED);
		}
		if (s->fd >= 0) {
			s->flags |= MAP_STEP_SHARED;
			s->offset = v->offset;
			return 0;
		}
	}
	if (v->flags & VMA_SHARED &&
	    (v->prot & PROT_WRITE || !(v->flags & VMA_FILE) || is_memory(name)))
		return refuse_shared(m, v, name);
	if (v->flags & VMA_FILE && !(v->flags & (VMA_TRAVELS | VMA_SHARED))) {
		s->fd = local_file(m, v->mapped, USE_PRIVATE);
		if (s->fd >= 0) {
			s->offset = v->offset;
			travels = false;
			/*
			 * userfaultfd does not serve file mappings: the modified pages must be
			 * here.
			 */
			for (uint32_t i = 0; i < v->extents; i++)
				subtract_hot(m, m->extents[v->first_extent + i].start,
					     m->extents[v->first_extent + i].pages);
			if (m->plan->missing_count != missing_before) {
				log_error("%s: malformed descriptor: modified pages of %s are missing",
					  m->object, name);
				return -EPROTO;
			}
			return 0;
		}
	}
	if (travels && has_guards(m, v)) {
		log_error("%s: the parent has guard pages in its mapping of %s, which differs here",
			  m->object, name);
		return -ENOTSUP;
	}
	if (travels) {
		/* All pages of the mapping that the file has; the rest raises SIGBUS. */
		const struct descriptor_mapped *f = &m->files[v->mapped];
		uint64_t pages = (v->end - v->start) / PAGE_BYTES, in_file;

		in_file = f->size <= v->offset
				  ? 0
				  : (f->size - v->offset + PAGE_BYTES - 1) / PAGE_BYTES;
		log_debug("%s: %s differs here: its pages travel", m->object, name);
		if (in_file && in_file < pages)
			subtract_hot(m, v->start, in_file);
		else if (in_file)
			subtract_hot(m, v->start, pages);
		if (in_file < pages) {
			uint64_t at = v->start + in_file * PAGE_BYTES;
			int err = has_pages(m, v, at) ? -EPROTO : plan_end(m, s, at);

			if (err == -EPROTO)
				log_error("%s: malformed descriptor: %s has pages behind its end",
					  m->object, name);
			if (err)
				return err;
		}
	} else {
		for (uint32_t i = 0; i < v->extents; i++)
			subtract_hot(m, m->extents[v->first_extent + i].start,
				     m->extents[v->first_extent + i].pages);
	}
	if (m->plan->missing_count == missing_before)
		return 0;
	/*
	 * The file behind the area has them: offset and address are the same. A mapping of a file
	 * cannot grow.
	 */
	if (m->backing_fd >= 0 && !travels && !(v->flags & (VMA_STACK | VMA_GROWS_DOWN))) {
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

int plan_make(struct plan *plan, const struct descriptor *d, const char *object,
	      const struct child_memory *memory)
{
	const struct descriptor_vma *vmas = descriptor_at(d, d->vmas);
	const struct descriptor_fd *fds = descriptor_at(d, d->fds);
	struct maker m = {
		.plan = plan,
		.d = d,
		.object = object,
		.files = descriptor_at(d, d->mapped),
		.extents = descriptor_at(d, d->extents),
		.hot = descriptor_at(d, d->hot),
		.backing_fd = -1,
		.same_host = host_is_parents(d),
	};
	int err = 0;

	*plan = (struct plan){ .fd_base = 64, .exe_fd = -1 };
	for (uint32_t i = 0; i < d->fds.count; i++)
		if ((int)fds[i].fd >= plan->fd_base)
			plan->fd_base = (int)fds[i].fd + 1;
	plan->fd_next = plan->fd_base;
	/*
	 * At most two steps for an area (what its file has, and the rest), and one more run per hot
	 * run.
	 */
	plan->steps = calloc(2UL * d->vmas.count + 1, sizeof(*plan->steps));
	plan->missing = calloc((size_t)d->extents.count + d->hot.count + d->vmas.count + 1,
			       sizeof(*plan->missing));
	m.fds[0] = calloc(ARRAY_SIZE(m.fds) * (d->mapped.count + 1UL), sizeof(int));
	for (size_t i = 1; i < ARRAY_SIZE(m.fds) && m.fds[0]; i++)
		m.fds[i] = m.fds[0] + i * (d->mapped.count + 1UL);
	plan->backed = calloc((size_t)d->extents.count + d->hot.count + 1, sizeof(*plan->backed));
	plan->nameless = calloc(d->nameless.count + 1UL, sizeof(int));
	plan->sealed_late = calloc(d->nameless.count + 1UL, sizeof(bool));
	plan->urings = malloc((d->files.count + 1UL) * sizeof(int));
	m.read_only = calloc(d->nameless.count + 1UL, sizeof(int));
	if (!plan->steps || !plan->missing || !plan->backed || !m.fds[0] || !plan->nameless ||
	    !plan->sealed_late || !plan->urings || !m.read_only)
		err = -ENOMEM;
	for (uint32_t i = 0; i < d->files.count && !err; i++)
		plan->urings[i] = -1;
	if (!err && memory->backing_fd >= 0) {
		/* One of the child's own; the supervisor keeps the other. */
		m.backing_fd = fcntl(memory->backing_fd, F_DUPFD_CLOEXEC, plan->fd_next);
		if (m.backing_fd < 0)
			m.error = errno == EINVAL ? -EMFILE : -errno;
		else
			plan->fd_next = m.backing_fd + 1;
	}
	if (!err)
		make_nameless(&m);
	for (uint32_t i = 0; i < d->vmas.count && !err && !m.error; i++)
		err = plan_area(&m, &vmas[i], memory->on_demand);
	if (!err)
		seal_late(&m);
	if (m.error) {
		err = m.error;
		log_error("%s: no descriptor from %d on, where the parent has none: %s%s", object,
			  plan->fd_base, strerror(-err), err == -EMFILE ? " (see ulimit -Hn)" : "");
	}
	for (uint32_t i = 0; i < d->mapped.count && !err; i++)
		if (m.fds[USE_PRIVATE][i] > 0 && d->exe && m.files[i].path &&
		    !strcmp(descriptor_string(d, m.files[i].path), descriptor_string(d, d->exe)))
			plan->exe_fd = m.fds[USE_PRIVATE][i];
	free(m.fds[0]);
	free(m.read_only);
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
	free(plan->nameless);
	free(plan->sealed_late);
	free(plan->urings);
	*plan = (struct plan){ 0 };
}
