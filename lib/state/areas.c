// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* areas.c - memory areas, and the files behind them. */
#include "state/state.h"

#ifdef IN_SHADOW

#include "format/buildid.h"
#include "shadow/read.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/statfs.h>
#include <time.h>

#ifndef BCACHEFS_MAGIC
#define BCACHEFS_MAGIC	0xca451a4e	/* Linux 6.7 to 6.17 */
#endif

static void collect_build_id(struct descriptor_mapped *f, const char *path, char *page)
{
	long fd = sys(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), n;

	if (fd < 0)
		return;
	n = sys(SYS_read, fd, page, PAGE_BYTES);
	sys(SYS_close, fd);
	if (n > 0)
		f->build_id_length = build_id(page, (uint64_t)n, f->build_id, BUILD_ID_MAX);
}

/*
 * File systems keep times in steps, of a clock tick up to two seconds (FAT). A file that changed
 * within the last step, or in the future, may be followed by another of the same time and size.
 */
static bool is_recent(const struct stat *st)
{
	const int64_t step_ns = 2000000000;
	struct timespec now;

	sys(SYS_clock_gettime, CLOCK_REALTIME, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec - mtime_of(st) < step_ns;
}

/* As /proc/self/maps writes a device: "major:minor" in hexadecimal, in one number. */
static uint64_t number_of_device(uint64_t major, uint64_t minor)
{
	return major << 32 | minor;
}

/*
 * Is what is at this path now of the file system that the mapping is of? Inode numbers alone do not
 * tell: another may be mounted there. Three kinds of file systems say one device in maps and others
 * in stat(2).
 */
static bool is_device(const char *path, const struct stat *st, uint64_t device)
{
	struct statfs fs;

	if (number_of_device(st->st_dev >> 8 & 0xfff,
			     (st->st_dev & 0xff) | (st->st_dev >> 12 & 0xfff00)) == device)
		return true;
	return !sys(SYS_statfs, path, &fs) &&
	       (fs.f_type == BTRFS_SUPER_MAGIC || fs.f_type == OVERLAYFS_SUPER_MAGIC ||
		fs.f_type == BCACHEFS_MAGIC);
}

static const char *add_file(struct snapshot *s, const char *path, uint64_t device, uint64_t inode,
			    uint32_t *index)
{
	struct statfs fs;
	struct stat st;

	/* Mappings of one file follow each other almost always. */
	for (uint32_t i = s->n.mapped, tries = 0; i-- > 0 && tries < 8; tries++) {
		if (s->mapped[i].inode == inode && s->mapped_devices[i] == device &&
		    text_is(s->strings + s->mapped[i].path, path)) {
			*index = i;
			return NULL;
		}
	}
	if (s->n.mapped == ARRAY_SIZE(s->mapped))
		return "too many mapped files";
	struct descriptor_mapped *f = &s->mapped[s->n.mapped];

	*f = (struct descriptor_mapped){ .path = add_string(s, path), .inode = inode };
	s->mapped_devices[s->n.mapped] = device;
	if (!f->path)
		return "the names of mapped files are too long";
	if (!sys(SYS_statfs, path, &fs) && fs.f_type == HUGETLBFS_MAGIC)
		return "it has mapped a file of hugetlbfs, whose pages the kernel may take from a copy";
	if (sys(SYS_newfstatat, AT_FDCWD, path, &st, 0) < 0 || st.st_ino != inode ||
	    !is_device(path, &st, device)) {
		f->gone = 1;
	} else if (S_ISCHR(st.st_mode) && !text_is(path, "/dev/zero")) {
		return "it has mapped the memory of a device (see /proc/PID/maps)";
	} else if (!S_ISREG(st.st_mode) || files_lease(s, st.st_dev, inode)) {
		f->gone = 1;
	} else {
		f->size = (uint64_t)st.st_size;
		f->mtime_ns = mtime_of(&st);
		f->device = st.st_dev;
		collect_build_id(f, path, s->scratch2);
		if (!f->build_id_length && is_recent(&st)) {
			f->gone = 1;
			f->recent = 1;
			f->size = 0;
		}
	}
	*index = s->n.mapped++;
	return NULL;
}

/*
 * A file that is gone cannot be asked for its size, which a mapping may exceed: find how much of
 * the mapping can be read now (MADV_POPULATE_READ, Linux 5.14; before, all of it is taken to be
 * there). Pages that vanish later fail when they are sent, and end the connection.
 */
static void measure_gone_file(struct descriptor_mapped *f, const struct descriptor_vma *v)
{
	uint64_t low = 0, high = (v->end - v->start) / PAGE_BYTES;

	/* Pages that may not be read are sent, too (pages_open()). */
	if (!(v->prot & PROT_READ))
		sys(SYS_mprotect, v->start, v->end - v->start, v->prot | PROT_READ);
	/* Page number low - 1 can be read, high cannot, or is the end. */
	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (sys(SYS_madvise, v->start + middle * PAGE_BYTES, PAGE_BYTES,
			MADV_POPULATE_READ) == -EFAULT)
			high = middle;
		else
			low = middle + 1;
	}
	if (low && f->size < v->offset + low * PAGE_BYTES)
		f->size = v->offset + low * PAGE_BYTES;
}

/*
 * Does it grow when it is touched below its start? Of the calls that tell, this one alone does not
 * walk through its pages: mprotect(2) with PROT_GROWSDOWN is for such areas only. It changes
 * nothing, the protection is the same.
 */
static bool grows_down(const struct descriptor_vma *v)
{
	/* Memory to execute only would be given a protection key. */
	if (v->flags & (VMA_FILE | VMA_SHARED | VMA_VDSO) || v->prot == PROT_EXEC)
		return false;
	return !sys(SYS_mprotect, v->start, PAGE_BYTES, v->prot | PROT_GROWSDOWN);
}

/*
 * Could the program make it writable? It could if the file was open for writing when it was mapped.
 * The kernel is asked to do it, and to take it back.
 */
static const char *may_write(struct descriptor_vma *v)
{
	if (!(v->flags & (VMA_FILE | VMA_NAMELESS) && v->flags & VMA_SHARED) ||
	    v->prot & PROT_WRITE)
		return NULL;
	if (sys(SYS_mprotect, v->start, v->end - v->start, v->prot | PROT_WRITE) < 0)
		return NULL;
	v->flags |= VMA_MAY_WRITE;
	if (sys(SYS_mprotect, v->start, v->end - v->start, v->prot) < 0)
		return "the protection of its memory cannot be examined";
	return NULL;
}

/*
 * What maps does not say. It has been read to its end: a call may change how areas are told apart.
 */
static const char *ask_areas(struct snapshot *s)
{
	const char *why = NULL;

	for (uint32_t i = 0; i < s->n.vmas && !why; i++) {
		struct descriptor_vma *v = &s->vmas[i];

		if (grows_down(v))
			v->flags |= VMA_GROWS_DOWN;
		why = may_write(v);
		if (v->flags & VMA_FILE && s->mapped[v->mapped].gone)
			measure_gone_file(&s->mapped[v->mapped], v);
	}
	return why;
}

const char *areas_read(struct snapshot *s)
{
	struct line_reader r = { .buffer = s->scratch, .capacity = SCRATCH_BYTES };
	const char *p;

	r.fd = (int)sys(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC);
	if (r.fd < 0)
		return "cannot read /proc/self/maps on the parent's host";
	while ((p = next_line(&r))) {
		struct descriptor_vma v = { 0 };
		uint64_t major, minor, inode;

		v.start = text_number(&p, 16);
		p++;
		v.end = text_number(&p, 16);
		p++;
		v.prot = (p[0] == 'r' ? PROT_READ : 0) | (p[1] == 'w' ? PROT_WRITE : 0) |
			 (p[2] == 'x' ? PROT_EXEC : 0);
		if (p[3] == 's')
			v.flags |= VMA_SHARED;
		p += 5;
		v.offset = text_number(&p, 16);
		p++;
		major = text_number(&p, 16);
		p++;
		minor = text_number(&p, 16);
		p++;
		inode = text_number(&p, 10);
		while (*p == ' ')
			p++;
		if (text_is(p, "[vsyscall]"))
			continue;
		if (v.end > USER_END)
			return "it has memory above 47 bits of address";
		if (v.start >= s->arena && v.end <= s->arena + s->arena_length)
			continue;
		if (v.start >= s->args.luggage && v.end <= s->args.luggage + s->args.luggage_bytes)
			continue;
		if (v.start == s->args.capture.room && v.end - v.start == CAPTURE_ROOM)
			continue;
		if (nameless_is_at(s, v.start))
			continue;
		if (text_begins(p, "/anon_hugepage"))
			return "it has private huge pages (MAP_HUGETLB), which the kernel may take from a copy";
		if (p[0] == '[') {
			if (p[1] == 'v' && p[2] == 'v') {
				v.flags |= VMA_VDSO;
			} else if (text_is(p, "[vdso]")) {
				v.flags |= VMA_VDSO;
				s->header.vdso_image = v.start;
				s->header.vdso_image_length = v.end - v.start;
			} else if (text_is(p, "[stack]")) {
				v.flags |= VMA_STACK;
			} else if (text_is(p, "[uprobes]")) {
				/*
				 * Its text holds breakpoints, which are known to this kernel alone.
				 */
				return "it is or was traced with uprobes";
			}
			if (v.flags & VMA_VDSO) {
				if (!s->header.vdso_length)
					s->header.vdso_start = v.start;
				s->header.vdso_length = v.end - s->header.vdso_start;
			}
		} else if (text_begins(p, "mitosis:[")) {
			/*
			 * This process is a child of engine kernel: the file stands for anonymous
			 * memory.
			 */
			v.flags |= AREA_REMOTE;
			v.offset = 0;
		} else if (v.flags & VMA_SHARED && p[0] == '/' &&
			   nameless_find(s, number_of_device(major, minor), inode, p) >= 0) {
			v.mapped = (uint32_t)nameless_find(s, number_of_device(major, minor), inode,
							   p);
			v.flags |= VMA_NAMELESS;
		} else if (p[0]) {
			const char *why = add_file(s, p, number_of_device(major, minor), inode,
						   &v.mapped);

			if (why)
				return why;
			v.flags |= VMA_FILE;
		}
		if (s->n.vmas == ARRAY_SIZE(s->vmas))
			return "too many memory areas";
		s->vmas[s->n.vmas++] = v;
	}
	sys(SYS_close, r.fd);
	if (r.failed)
		return "cannot read /proc/self/maps on the parent's host";
	return s->n.vmas ? ask_areas(s) : "/proc/self/maps is empty";
}

#endif
#ifdef IN_LIBRARY

#include <stdbool.h>
#include <sys/mman.h>

#define PAGE_ALIGNED(x) (!((x) % PAGE_BYTES))

const char *areas_check(const struct descriptor *d)
{
	const struct descriptor_mapped *mapped = descriptor_at(d, d->mapped);
	const struct descriptor_vma *vmas = descriptor_at(d, d->vmas);
	uint64_t at = PAGE_BYTES;
	bool stack = false;

	if (!d->vmas.count)
		return "no memory areas";
	for (uint32_t i = 0; i < d->mapped.count; i++)
		if (!descriptor_has_string(d, mapped[i].path) ||
		    mapped[i].build_id_length > BUILD_ID_MAX || mapped[i].gone > 1 ||
		    mapped[i].recent > mapped[i].gone || mapped[i].reserved)
			return "a mapped file is malformed";
	for (uint32_t i = 0; i < d->vmas.count; i++) {
		const struct descriptor_vma *v = &vmas[i];

		if (!PAGE_ALIGNED(v->start) || !PAGE_ALIGNED(v->end) || v->start < at ||
		    v->end <= v->start || v->end > USER_END)
			return "areas overlap or are out of order";
		if (v->flags & ~VMA_KNOWN_FLAGS ||
		    v->prot & ~(uint32_t)(PROT_READ | PROT_WRITE | PROT_EXEC) || v->reserved)
			return "an area has unknown flags";
		if (v->flags & VMA_FILE &&
		    (v->mapped >= d->mapped.count || !PAGE_ALIGNED(v->offset) ||
		     v->offset > INT64_MAX - (v->end - v->start)))
			return "an area names no valid file";
		if (v->flags & VMA_NAMELESS &&
		    (v->flags & (VMA_FILE | VMA_VDSO | VMA_STACK | VMA_TRAVELS) ||
		     !(v->flags & VMA_SHARED) || v->mapped >= d->nameless.count ||
		     !PAGE_ALIGNED(v->offset) || v->offset > INT64_MAX - (v->end - v->start)))
			return "an area names no valid file";
		if (v->flags & VMA_GROWS_DOWN && v->flags & (VMA_FILE | VMA_SHARED | VMA_VDSO))
			return "an area that grows is not private memory";
		if (v->flags & VMA_MAY_WRITE &&
		    (!(v->flags & VMA_SHARED && v->flags & (VMA_FILE | VMA_NAMELESS)) ||
		     v->prot & PROT_WRITE))
			return "an area has unknown flags";
		if (v->flags & VMA_STACK && stack)
			return "it has two stacks";
		stack |= v->flags & VMA_STACK;
		at = v->end;
	}
	return NULL;
}

#endif
#ifdef IN_RESTORER

#include "pie/freestanding.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>

/* From Linux 6.11 on; older headers lack it. */
#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE	0x08
#endif

static uint64_t step_bytes(const struct map_step *m)
{
	return m->end - m->start;
}

static long map_uring(const struct map_step *m, uint64_t address, int flags)
{
	return sys(SYS_mmap, address, step_bytes(m), m->prot, MAP_SHARED | flags, m->fd, m->offset);
}

#define FILLERS_MAX	512u

struct fillers {
	uint32_t count;
	struct { uint64_t start, bytes; } range[FILLERS_MAX];
};

static long reserve(uint64_t address, uint64_t bytes, int flags)
{
	return sys(SYS_mmap, address, bytes, PROT_NONE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);
}

/* All of the address space that is still free, from large pieces to pages. */
static bool fill(struct fillers *f)
{
	for (uint64_t bytes = 1ULL << 46; bytes >= PAGE_BYTES; bytes /= 2)
		for (;;) {
			long got = reserve(0, bytes, 0);

			if (SYS_FAILED(got))
				break;
			if (f->count == FILLERS_MAX) {
				sys(SYS_munmap, got, bytes);
				return false;
			}
			f->range[f->count].start = (uint64_t)got;
			f->range[f->count++].bytes = bytes;
		}
	return true;
}

/*
 * Since Linux 6.4 the kernel alone says where a ring of io_uring is mapped, and it cannot be moved:
 * no address may be asked for. So for a moment there is only one place where it fits.
 */
static void map_urings_in_gaps(const struct restorer_args *a)
{
	struct descriptor_limit limit, more = { ~0ULL, ~0ULL };
	struct fillers f;
	bool full;

	f.count = 0;
	if (sys(SYS_prlimit64, 0, RLIMIT_AS, 0, &limit) < 0)
		limit = more;
	if (sys(SYS_prlimit64, 0, RLIMIT_AS, &more, 0) < 0) {
		more.soft = more.hard = limit.hard;
		sys(SYS_prlimit64, 0, RLIMIT_AS, &more, 0);
	}
	for (uint32_t i = 0; i < a->step_count; i++) {
		const struct map_step *m = &a->steps[i];
		long got;

		if (!(m->flags & MAP_STEP_URING))
			continue;
		got = reserve(m->start, step_bytes(m), MAP_FIXED_NOREPLACE);
		if (got != (long)m->start)
			restore_fail(a, RESTORE_MMAP, SYS_FAILED(got) ? got : -EEXIST, m->start);
	}
	full = fill(&f);
	for (uint32_t i = 0; full && i < a->step_count; i++) {
		const struct map_step *m = &a->steps[i];
		long got;

		if (!(m->flags & MAP_STEP_URING))
			continue;
		sys(SYS_munmap, m->start, step_bytes(m));
		got = map_uring(m, 0, 0);
		if (got != (long)m->start)
			restore_fail(a, RESTORE_MMAP, SYS_FAILED(got) ? got : -EEXIST, m->start);
	}
	if (!full)
		restore_fail(a, RESTORE_MMAP, -ENOMEM, 0);
	for (uint32_t i = 0; i < f.count; i++)
		sys(SYS_munmap, f.range[i].start, f.range[i].bytes);
	sys(SYS_prlimit64, 0, RLIMIT_AS, &limit, 0);
}

/* Before the others, while there is little else. */
static void map_urings(const struct restorer_args *a)
{
	for (uint32_t i = 0, done = 0; i < a->step_count; i++) {
		const struct map_step *m = &a->steps[i];
		long got;

		if (!(m->flags & MAP_STEP_URING))
			continue;
		got = map_uring(m, m->start, MAP_FIXED_NOREPLACE);
		if (got == -EINVAL && !done) {
			map_urings_in_gaps(a);
			return;
		}
		if (got != (long)m->start)
			restore_fail(a, RESTORE_MMAP, SYS_FAILED(got) ? got : -EEXIST, m->start);
		done++;
	}
}

void areas_restore(const struct restorer_args *a)
{
	map_urings(a);
	for (uint32_t i = 0; i < a->step_count; i++) {
		const struct map_step *m = &a->steps[i];
		int flags = MAP_FIXED_NOREPLACE | (m->flags & MAP_STEP_SHARED	   ? MAP_SHARED
						   : m->flags & MAP_STEP_DROPPABLE ? MAP_DROPPABLE
										   : MAP_PRIVATE);
		long got, ret;

		if (m->flags & MAP_STEP_URING)
			continue;
		if (m->fd < 0)
			flags |= MAP_ANONYMOUS;
		if (m->flags & MAP_STEP_GROWS_DOWN)
			flags |= MAP_GROWSDOWN;
		/* The parent's memory, whatever this host's promises to other programs are. */
		if (m->fd < 0 || m->flags & MAP_STEP_BACKED)
			flags |= MAP_NORESERVE;
		got = sys(SYS_mmap, m->start, m->end - m->start, m->prot, flags, m->fd, m->offset);
		if (got != (long)m->start)
			restore_fail(a, RESTORE_MMAP, SYS_FAILED(got) ? got : -EEXIST, m->start);
		if (m->seals) {
			ret = sys(SYS_fcntl, m->fd, F_ADD_SEALS, m->seals);
			if (ret < 0)
				restore_fail(a, RESTORE_MMAP, ret, m->start);
		}
		/*
		 * A core dump does not fetch: memory that the module fills is left out of it
		 * (page/detach.c).
		 */
		if (m->flags & MAP_STEP_BACKED && !a->populate_count) {
			ret = sys(SYS_madvise, m->start, m->end - m->start, MADV_DONTDUMP);
			if (ret < 0)
				restore_fail(a, RESTORE_MMAP, ret, m->start);
		}
		if (m->flags & MAP_STEP_WIPED) {
			ret = sys(SYS_madvise, m->start, m->end - m->start, MADV_WIPEONFORK);
			if (ret < 0)
				restore_fail(a, RESTORE_MMAP, ret, m->start);
		}
	}
	if (a->close_to > a->close_from) {
		long ret = sys(SYS_close_range, a->close_from, a->close_to - 1, 0);

		if (ret < 0)
			restore_fail(a, RESTORE_FILES, ret, 0);
	}
}

#endif
