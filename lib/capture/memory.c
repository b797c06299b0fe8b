// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* memory.c - see memory.h. */
#include "capture/memory.h"
#include "api/log.h"
#include "page/areas.h"
#include "shadow/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY	1	/* Linux 5.11 */
#endif

/* Part of the snapshot: a child's library looks here, too. */
static struct descriptor_extent unforked[CAPTURE_UNFORKED_MAX];
static uint32_t unforked_count;

static int first_number(const char *line, void *data)
{
	uint64_t *n = data;

	while (*line >= '0' && *line <= '9')
		*n = *n * 10 + (uint64_t)(*line++ - '0');
	return 1;
}

/* Everything that is mapped in a process (0: this one), in pages; 0: not known. */
static uint64_t size_of(int pid)
{
	char path[40], digits[12];
	uint64_t pages = 0;
	size_t n = 0, at = 6;

	memcpy(path, "/proc/", at);
	for (; pid > 0; pid /= 10)
		digits[n++] = (char)('0' + pid % 10);
	if (!n) {
		memcpy(path + at, "self", 4);
		at += 4;
	}
	while (n)
		path[at++] = digits[--n];
	memcpy(path + at, "/statm", 7);
	return areas_lines(path, first_number, &pages) == 1 ? pages : 0;
}

bool memory_is_nameless(const char *line)
{
	static const char mark[] = " (deleted)";
	uint64_t start, end;
	const char *p = areas_range(line, &start, &end);
	size_t n = p ? strlen(p) : 0;

	if (n <= sizeof(mark) || strcmp(p + n - (sizeof(mark) - 1), mark))
		return false;
	return p[4] == 's' || strstr(p, " /memfd:") || strstr(p, " /dev/shm/");
}

/* PROCMAP_QUERY of Linux 6.11 (include/uapi/linux/fs.h), which older headers lack. */
struct map_query {
	uint64_t size, flags, address, start, end, vma_flags, page_size, offset, inode;
	uint32_t major, minor, name_bytes, build_id_bytes;
	uint64_t name, build_id;
};
#define MAP_QUERY	0xc0686611UL
#define MAP_IS_SHARED	(1u << 3)
#define MAP_NEXT	(1u << 4)
#define MAP_OF_FILE	(1u << 5)

/*
 * Without the names of all files, most of which are mapped privately; -ENOTTY: this kernel cannot.
 */
static int query_nameless(const struct capture *c)
{
	static char line[4096 + 32] = "0-0 ---s ";
	const size_t prefix = strlen("0-0 ---s ");
	/* Where the kernel's own memory is that nobody has given a name. */
	struct map_query memory = { .size = sizeof(memory), .address = c->room }, q;
	long fd = sys(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC), ret;
	struct stat shm;
	bool has_shm;
	int found = 0;

	if (fd < 0)
		return (int)fd;
	has_shm = !sys(SYS_newfstatat, AT_FDCWD, "/dev/shm", &shm, 0);
	ret = sys(SYS_ioctl, fd, MAP_QUERY, &memory);
	for (uint64_t at = 0; !found && ret >= 0; at = q.end) {
		q = (struct map_query){ .size = sizeof(q),
					.flags = MAP_OF_FILE | MAP_NEXT,
					.address = at };
		ret = sys(SYS_ioctl, fd, MAP_QUERY, &q);
		if (ret < 0 || q.start == c->room)
			continue;
		if (!(q.vma_flags & MAP_IS_SHARED)) {
			found = q.major == memory.major && q.minor == memory.minor;
			if (found || !has_shm || q.major != major(shm.st_dev) ||
			    q.minor != minor(shm.st_dev))
				continue;
		}
		line[prefix - 2] = q.vma_flags & MAP_IS_SHARED ? 's' : 'p';
		q.flags = 0;
		q.address = q.start;
		q.name = (uint64_t)line + prefix;
		q.name_bytes = sizeof(line) - (uint32_t)prefix;
		ret = sys(SYS_ioctl, fd, MAP_QUERY, &q);
		found = ret >= 0 && memory_is_nameless(line);
	}
	sys(SYS_close, fd);
	return ret < 0 && ret != -ENOENT ? (int)ret : found;
}

static int find_nameless(const char *line, void *data)
{
	const struct capture *c = data;
	uint64_t start, end;

	return memory_is_nameless(line) && areas_range(line, &start, &end) && start != c->room;
}

void memory_note(struct capture *c)
{
	long fd = -EPERM;

	c->memory_pages = size_of(0);
	if (!c->has_nameless) {
		int found = query_nameless(c);

		/* In doubt, the shadow looks. */
		c->has_nameless = found == -ENOTTY
					  ? areas_lines("/proc/self/maps", find_nameless, c) != 0
					  : found != 0;
	}
	c->unforked = unforked;
	c->unforked_count = 0;
	unforked_count = 0;
	/*
	 * By a userfaultfd of this process's memory the shadow finds out what is registered with
	 * another one. A filter of seccomp might kill a process for this call: then the shadow
	 * reads smaps.
	 */
	if (!sys(SYS_prctl, PR_GET_SECCOMP, 0, 0, 0, 0))
		fd = sys(SYS_userfaultfd, UFFD_USER_MODE_ONLY | O_CLOEXEC);
	/* Where the standard input was closed: 0 stands for none. */
	if (!fd)
		sys(SYS_close, 0);
	c->uffd = (int32_t)fd;
}

/* The shadow maps its arena, and nothing else. */
bool memory_is_missing(const struct capture *c, int copy)
{
	uint64_t pages = size_of(copy);

	return c->memory_pages && pages && pages != c->memory_pages &&
	       pages != c->memory_pages + SNAPSHOT_ARENA / PAGE_BYTES;
}

struct area {
	uint64_t start, end;
	/* private, and of nothing that the kernel or a file has behind it; or a ring of io_uring */
	bool is_plain;
};

/*
 * "START-END rwxp OFFSET MAJOR:MINOR INODE   NAME", and what is said of it, which ends in VmFlags
 */
static int note_area(const char *line, void *data)
{
	struct area *a = data;
	uint64_t start, end;
	const char *p = areas_range(line, &start, &end);

	if (p) {
		bool is_named = strchr(p, '[') && !strstr(p, " [heap]") && !strstr(p, " [anon:");

		*a = (struct area){ .start = start, .end = end };
		a->is_plain = strlen(p) > 4 && p[4] == 'p' && strstr(p, " 00:00 0") && !is_named;
		a->is_plain |= strstr(p, " anon_inode:[io_uring]") != NULL;
		return 0;
	}
	/* Before Linux 6.10 the mark of a ring cannot be lifted. */
	if (strncmp(line, "VmFlags:", 8) || !a->is_plain || !strstr(line, " dc") ||
	    strstr(line, " io"))
		return 0;
	if (unforked_count == CAPTURE_UNFORKED_MAX)
		return -E2BIG;
	unforked[unforked_count++] = (struct descriptor_extent){
		.start = a->start, .pages = (a->end - a->start) / PAGE_BYTES,
	};
	return 0;
}

static bool advise(const struct capture *c, int advice)
{
	bool done = true;

	for (uint32_t i = 0; i < c->unforked_count; i++)
		done &= !sys(SYS_madvise, c->unforked[i].start, c->unforked[i].pages * PAGE_BYTES,
			     advice);
	return done;
}

uint32_t memory_share(struct capture *c)
{
	struct area area = { 0 };

	/* Then the shadow will say that something is missing. */
	if (areas_lines("/proc/self/smaps", note_area, &area))
		unforked_count = 0;
	c->unforked_count = unforked_count;
	advise(c, MADV_DOFORK);
	return c->unforked_count;
}

void memory_keep(const struct capture *c)
{
	if (!advise(c, MADV_DONTFORK))
		log_warning(
			"memory that was marked MADV_DONTFORK could not be marked again: forks will copy it");
}

void memory_noted(const struct descriptor_extent *areas, uint32_t count)
{
	unforked_count = count;
	if (count)
		memcpy(unforked, areas, count * sizeof(*areas));
}

void memory_done(struct capture *c)
{
	if (c->uffd > 0)
		sys(SYS_close, c->uffd);
}

int memory_rest(uint64_t start, uint64_t end, int (*fn)(uint64_t start, uint64_t end))
{
	int ret = 0;

	for (uint32_t i = 0; i < unforked_count && !ret; i++) {
		uint64_t from = unforked[i].start, to = from + unforked[i].pages * PAGE_BYTES;

		if (to <= start || from >= end)
			continue;
		if (from > start)
			ret = fn(start, from);
		start = to;
	}
	return !ret && start < end ? fn(start, end) : ret;
}
