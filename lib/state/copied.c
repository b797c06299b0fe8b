// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* copied.c - is all of the parent's memory in its copy, and what it was? See capture/memory.h. */
#include "state/state.h"

#ifdef IN_SHADOW

#include "pie/numbers.h"
#include "shadow/read.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

static const char registered[] =
	"it has memory that is registered with userfaultfd: nobody would fill it for a child";
static const char unknown[] =
	"whether its memory is registered with userfaultfd cannot be found out";

/* A line of maps: is it of memory that could be registered? */
static bool can_be_registered(const char *p, uint64_t *start)
{
	uint64_t inode;

	*start = text_number(&p, 16);
	p++;
	text_number(&p, 16);
	/* " rwxp OFFSET MAJOR:MINOR INODE", then the name */
	p += 6;
	text_number(&p, 16);
	p++;
	text_number(&p, 16);
	p++;
	text_number(&p, 16);
	p++;
	inode = text_number(&p, 10);
	while (*p == ' ')
		p++;
	if (!inode)
		return !text_begins(p, "[v");
	return text_begins(p, "/memfd:") || text_begins(p, "/dev/shm/") ||
	       text_begins(p, "/dev/zero") || text_begins(p, "/SYSV");
}

/*
 * UFFDIO_COPY of what cannot be read never puts anything anywhere, but says first (ENOENT) that a
 * page belongs to no userfaultfd, whoever's that is. The parent has let us have one of its memory
 * for this.
 */
static const char *probe(struct snapshot *s, int uffd)
{
	struct line_reader r = { .buffer = s->scratch, .capacity = SCRATCH_BYTES };
	uint64_t unreadable = ((uint64_t)s->scratch2 + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1), start;
	struct uffdio_api api = { .api = UFFD_API };
	const char *why = NULL, *p;

	if (sys(SYS_ioctl, uffd, UFFDIO_API, &api) < 0 ||
	    sys(SYS_mprotect, unreadable, PAGE_BYTES, PROT_NONE) < 0)
		return unknown;
	r.fd = (int)sys(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC);
	while (r.fd >= 0 && !why && (p = next_line(&r))) {
		struct uffdio_copy copy = { .src = unreadable, .len = PAGE_BYTES };

		if (!can_be_registered(p, &start))
			continue;
		copy.dst = start;
		/* ESRCH: the parent has ended, and so will this. */
		long ret = sys(SYS_ioctl, uffd, UFFDIO_COPY, &copy);

		if (ret != -ENOENT && ret != -ESRCH)
			why = registered;
	}
	if (r.fd < 0 || r.failed)
		why = "cannot read /proc/self/maps on the parent's host";
	sys(SYS_close, r.fd);
	sys(SYS_mprotect, unreadable, PAGE_BYTES, PROT_READ | PROT_WRITE);
	return why;
}

/*
 * Of a first thread that has ended the kernel tells nothing: those of any other, which come and go.
 */
static int open_smaps(struct snapshot *s)
{
	const struct capture *c = &s->args.capture;
	char name[80], *end, byte;
	struct numbers threads;
	int fd = -ESRCH;

	if (!c->thread_count || !(c->threads[0].state.flags & THREAD_GONE)) {
		proc_path(name, (uint32_t)s->args.parent_pid, "/smaps");
		return (int)sys(SYS_openat, AT_FDCWD, name, O_RDONLY | O_CLOEXEC);
	}
	end = proc_path(name, (uint32_t)s->args.parent_pid, "/task/");
	numbers_open(&threads, name);
	while (fd < 0 && numbers_next(&threads) >= 0) {
		*text_append(text_append(end, threads.name), "/smaps") = '\0';
		fd = (int)sys(SYS_openat, AT_FDCWD, name, O_RDONLY | O_CLOEXEC);
		if (fd >= 0 && sys(SYS_pread64, fd, &byte, 1, 0) != 1) {
			sys(SYS_close, fd);
			fd = -ESRCH;
		}
	}
	numbers_close(&threads);
	return fd;
}

/* What is said of the parent's areas, at the price of a walk through all its page tables. */
static const char *look(struct snapshot *s)
{
	struct line_reader r = { .buffer = s->scratch, .capacity = SCRATCH_BYTES };
	const char *why = NULL, *p;

	r.fd = open_smaps(s);
	if (r.fd < 0)
		return r.fd == -EACCES ? STATE_NOT_DUMPABLE : unknown;
	while (!why && (p = next_line(&r))) {
		if (!text_begins(p, "VmFlags:"))
			continue;
		for (p += text_length("VmFlags:"); p[0] == ' ' && p[1] && p[2]; p += 3)
			if (p[1] == 'u' && (p[2] == 'm' || p[2] == 'w' || p[2] == 'i'))
				why = registered;
	}
	if (r.failed)
		why = unknown;
	sys(SYS_close, r.fd);
	return why;
}

const char *copied_read(struct snapshot *s)
{
	const struct capture *c = &s->args.capture;
	const char *p = s->scratch2;
	uint64_t pages;
	long n = read_whole("/proc/self/statm", s->scratch2, 4096 - 1);

	if (n <= 0)
		return "cannot read /proc/self/statm on the parent's host";
	s->scratch2[n] = '\0';
	pages = text_number(&p, 10) - (s->arena_length + s->args.luggage_bytes) / PAGE_BYTES;
	if (pages < c->memory_pages)
		return "it has memory that a copy of it lacks "
		       "(of a device, or in too many areas marked MADV_DONTFORK)";
	if (c->unforked_count > ARRAY_SIZE(s->unforked))
		return "it has too many areas marked MADV_DONTFORK";
	memcpy(s->unforked, c->unforked, c->unforked_count * sizeof(s->unforked[0]));
	s->n.unforked = c->unforked_count;
	if (c->uffd == -ENOSYS)
		return NULL;
	return c->uffd > 0 ? probe(s, c->uffd) : look(s);
}

#endif
