// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * detach.c - makes the memory of an engine kernel's child its own, so that the parent's host is not
 * needed any more.
 *
 * The areas are private mappings of the module's file. Pages in the page cache would not do: they
 * can be dropped and would have to be read again. So each page that the snapshot holds and the
 * child still shows gets the copy that a write would make (MADV_POPULATE_WRITE, Linux 5.14).
 * Whatever is not copied reads as zeros from then on, and zeros need no other host.
 *
 * Other threads may run meanwhile: a page that one of them discards is passed over, and one that it
 * writes is its own already.
 */
#include "api/log.h"
#include "engine/remote.h"
#include "format/descriptor.h"
#include "page/areas.h"
#include "page/detach.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define STEP_PAGES	512u		/* on their way before they are copied */

struct area {
	uint64_t start, end, offset;
	int prot;
};

/* "START-END rwxp OFFSET MAJOR:MINOR INODE   NAME": is it one of ours? */
static bool parse(const char *line, struct area *a)
{
	const char *p = areas_range(line, &a->start, &a->end);
	uint64_t ignored;
	char offset[40] = "";
	size_t n;

	if (!p || strlen(p) < 6 || p[4] != 'p')
		return false;
	a->prot = (p[1] == 'r' ? PROT_READ : 0) | (p[2] == 'w' ? PROT_WRITE : 0) |
		  (p[3] == 'x' ? PROT_EXEC : 0);
	p += 6;
	n = strspn(p, "0123456789abcdef");
	if (!n || n > 16)
		return false;
	memcpy(offset, p, n);
	strcpy(offset + n, "-0");
	if (!areas_range(offset, &a->offset, &ignored))
		return false;
	/* No path begins so: those of files begin with a slash. */
	p = strrchr(line, ' ');
	return p && !strncmp(p + 1, "mitosis:[", 9);
}

/* 0 also where nothing is mapped (any more). */
static int own(int remote_fd, uint64_t address, uint64_t pages)
{
	unsigned char resident;
	uint64_t lost;
	int err;

	if (!madvise((void *)address, pages * PAGE_BYTES, MADV_POPULATE_WRITE))
		return 0;
	err = -errno;
	if (err == -EFAULT) {
		err = remote_lost(remote_fd, &lost);
		return err ? err : -EIO;
	}
	if (err != -ENOMEM)
		return err;
	/* A hole in the range, or no memory. */
	if (pages == 1)
		return mincore((void *)address, PAGE_BYTES, &resident) ? 0 : -ENOMEM;
	for (err = 0; pages && !err; pages--, address += PAGE_BYTES)
		err = own(remote_fd, address, 1);
	return err;
}

static int fetch(int remote_fd, uint64_t address, uint64_t source, uint64_t pages)
{
	while (pages) {
		struct descriptor_extent step = { source, pages < STEP_PAGES ? pages : STEP_PAGES };
		int err;

		/* Many at once; what it cannot bring is noticed when it is to be copied. */
		remote_prefetch(remote_fd, &step, 1);
		err = own(remote_fd, address, step.pages);
		if (err)
			return err;
		address += step.pages * PAGE_BYTES;
		source += step.pages * PAGE_BYTES;
		pages -= step.pages;
	}
	return 0;
}

static int detach_area(const char *line, void *data)
{
	const int remote_fd = *(const int *)data;
	uint64_t at, pages;
	struct area a;
	bool opened = false;
	int err;

	if (!parse(line, &a))
		return 0;
	for (at = a.offset; ; at += pages * PAGE_BYTES) {
		uint64_t limit = a.offset + (a.end - a.start);

		err = remote_next(remote_fd, &at, &pages);
		if (err || !pages || at >= limit)
			break;
		if (pages > (limit - at) / PAGE_BYTES)
			pages = (limit - at) / PAGE_BYTES;
		if (!opened && !(a.prot & PROT_WRITE)) {
			if (mprotect((void *)a.start, a.end - a.start,
				     a.prot | PROT_READ | PROT_WRITE)) {
				err = -errno;
				break;
			}
			opened = true;
		}
		err = fetch(remote_fd, a.start + (at - a.offset), at, pages);
		if (err)
			break;
	}
	if (opened && mprotect((void *)a.start, a.end - a.start, a.prot) && !err)
		err = -errno;
	/* All of it is here: core dumps may have it (state/areas.c). */
	if (!err && madvise((void *)a.start, a.end - a.start, MADV_DODUMP) && errno != ENOMEM)
		err = -errno;
	return err;
}

int detach(int remote_fd)
{
	int err = areas_lines("/proc/self/maps", detach_area, &remote_fd);

	if (err)
		log_error("the missing memory cannot be fetched: %s", remote_reason(err));
	return err;
}
