// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * memory.c - the shadow finds out what its address space holds: areas, the files behind them, pages,
 * and which of these travel with the descriptor.
 */
#include "shadow/snapshot.h"
#include "format/buildid.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/statfs.h>
#include <time.h>

#ifndef BCACHEFS_MAGIC
#define BCACHEFS_MAGIC	0xca451a4e	/* Linux 6.7 to 6.17 */
#endif

/* PAGEMAP_SCAN of Linux 6.7 (include/uapi/linux/fs.h), which older headers lack. */
struct scan_arg {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
struct scan_region {
	uint64_t start, end, categories;
};
#define SCAN_IOCTL	0xc0606610UL
#define SCAN_FILE	(1u << 2)
#define SCAN_PRESENT	(1u << 3)
#define SCAN_SWAPPED	(1u << 4)
#define SCAN_PFNZERO	(1u << 5)
#define SCAN_GUARD	(1u << 8)	/* Linux 6.15 */

#define PAGEMAP_PRESENT	(1ULL << 63)
#define PAGEMAP_SWAPPED	(1ULL << 62)
#define PAGEMAP_FILE	(1ULL << 61)	/* page cache or shared anonymous */

/* A small area is sent whole with the descriptor: it saves the child a fault or two each. */
#define HOT_AREA_PAGES	32u
#define HOT_AREA_BUDGET	256u
/* More modified pages than this in all file mappings: the rest of such mappings travels on demand. */
#define HOT_FILE_BUDGET	2048u

struct line_reader {
	int fd;
	char *buffer;
	uint32_t used, parsed, capacity;
	bool failed;		/* there is more, which could not be read */
};

/* NULL at the end, or when reading failed. */
static const char *next_line(struct line_reader *r)
{
	for (;;) {
		for (uint32_t i = r->parsed; i < r->used; i++) {
			if (r->buffer[i] != '\n')
				continue;
			const char *line = r->buffer + r->parsed;

			r->buffer[i] = '\0';
			r->parsed = i + 1;
			return line;
		}
		if (r->parsed) {
			for (uint32_t i = r->parsed; i < r->used; i++)
				r->buffer[i - r->parsed] = r->buffer[i];
			r->used -= r->parsed;
			r->parsed = 0;
		}
		long n = -EOVERFLOW;

		if (r->used < r->capacity)
			n = sys(SYS_read, r->fd, r->buffer + r->used, r->capacity - r->used);
		if (n <= 0) {
			r->failed = n < 0;
			return NULL;
		}
		r->used += (uint32_t)n;
	}
}

/* ---- mapped files ---- */

static void collect_build_id(struct descriptor_file *f, const char *path, char *page)
{
	long fd = sys(SYS_open, path, O_RDONLY | O_CLOEXEC), n;

	if (fd < 0)
		return;
	n = sys(SYS_read, fd, page, PAGE_BYTES);
	sys(SYS_close, fd);
	if (n > 0)
		f->build_id_length = build_id(page, (uint64_t)n, f->build_id, BUILD_ID_MAX);
}

/*
 * File systems keep times in steps, of a clock tick up to two seconds (FAT). A file that changed within
 * the last step, or in the future, may be followed by another of the same time and size.
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
 * Is what is at this path now of the file system that the mapping is of? Inode numbers alone do not tell:
 * another may be mounted there. Three kinds of file systems say one device in maps and others in stat(2).
 */
static bool is_device(const char *path, const struct stat *st, uint64_t device)
{
	struct statfs fs;

	if (number_of_device(st->st_dev >> 8 & 0xfff, (st->st_dev & 0xff) | (st->st_dev >> 12 & 0xfff00)) == device)
		return true;
	return !sys(SYS_statfs, path, &fs) &&
	       (fs.f_type == BTRFS_SUPER_MAGIC || fs.f_type == OVERLAYFS_SUPER_MAGIC || fs.f_type == BCACHEFS_MAGIC);
}

static const char *add_file(struct snapshot *s, const char *path, uint64_t device, uint64_t inode, uint32_t *index)
{
	struct stat st;

	/* Mappings of one file follow each other almost always. */
	for (uint32_t i = s->file_count, tries = 0; i-- > 0 && tries < 8; tries++) {
		if (s->files[i].inode == inode && s->file_devices[i] == device && text_is(s->strings + s->files[i].path, path)) {
			*index = i;
			return NULL;
		}
	}
	if (s->file_count == FILES_MAX)
		return "too many mapped files";
	struct descriptor_file *f = &s->files[s->file_count];

	*f = (struct descriptor_file){ .path = add_string(s, path), .inode = inode };
	s->file_devices[s->file_count] = device;
	if (!f->path)
		return "the names of mapped files are too long";
	if (sys(SYS_stat, path, &st) < 0 || st.st_ino != inode || !S_ISREG(st.st_mode) || !is_device(path, &st, device)) {
		f->gone = 1;
	} else {
		f->size = (uint64_t)st.st_size;
		f->mtime_ns = mtime_of(&st);
		f->device = st.st_dev;
		collect_build_id(f, path, s->scratch2);
		if (!f->build_id_length && is_recent(&st)) {
			f->gone = 1;
			f->size = 0;
		}
	}
	*index = s->file_count++;
	return NULL;
}

/*
 * A file that is gone cannot be asked for its size, which a mapping may exceed: find how much of the
 * mapping can be read now (MADV_POPULATE_READ, Linux 5.14; before, all of it is taken to be there).
 * Pages that vanish later fail when they are sent, and end the connection.
 */
static void measure_gone_file(struct descriptor_file *f, const struct descriptor_vma *v)
{
	uint64_t low = 0, high = (v->end - v->start) / PAGE_BYTES;

	/* Page number low - 1 can be read, high cannot, or is the end. */
	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (sys(SYS_madvise, v->start + middle * PAGE_BYTES, PAGE_BYTES, MADV_POPULATE_READ) == -EFAULT)
			high = middle;
		else
			low = middle + 1;
	}
	if (low && f->size < v->offset + low * PAGE_BYTES)
		f->size = v->offset + low * PAGE_BYTES;
}

/* ---- areas ---- */

const char *collect_areas(struct snapshot *s)
{
	struct line_reader r = { .buffer = s->scratch, .capacity = SCRATCH_BYTES };
	const char *p;

	r.fd = (int)sys(SYS_open, "/proc/self/maps", O_RDONLY | O_CLOEXEC);
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
				/* Its text holds breakpoints, which are known to this kernel alone. */
				return "it is or was traced with uprobes";
			}
			if (v.flags & VMA_VDSO) {
				if (!s->header.vdso_length)
					s->header.vdso_start = v.start;
				s->header.vdso_length = v.end - s->header.vdso_start;
			}
		} else if (text_begins(p, "mitosis:[")) {
			/* This process is a child of engine kernel: the file stands for anonymous memory. */
			v.flags |= AREA_REMOTE;
			v.offset = 0;
		} else if (p[0]) {
			const char *why = add_file(s, p, number_of_device(major, minor), inode, &v.file);

			if (why)
				return why;
			v.flags |= VMA_FILE;
			if (s->files[v.file].gone)
				measure_gone_file(&s->files[v.file], &v);
		}
		if (s->vma_count == VMAS_MAX)
			return "too many memory areas";
		s->vmas[s->vma_count++] = v;
	}
	sys(SYS_close, r.fd);
	if (r.failed)
		return "cannot read /proc/self/maps on the parent's host";
	return s->vma_count ? NULL : "/proc/self/maps is empty";
}

/* ---- pages ---- */

static const char *add_extent(struct snapshot *s, struct descriptor_vma *v, uint64_t start, uint64_t pages)
{
	struct descriptor_extent *last = &s->extents[s->extent_count - 1];

	if (v->extents && last->start + last->pages * PAGE_BYTES == start) {
		last->pages += pages;
		return NULL;
	}
	if (s->extent_count == EXTENTS_MAX)
		return "its memory is too fragmented";
	s->extents[s->extent_count++] = (struct descriptor_extent){ start, pages };
	v->extents++;
	return NULL;
}

static const char *add_guard(struct snapshot *s, uint64_t start, uint64_t pages)
{
	if (s->guard_count == GUARDS_MAX)
		return "it has too many guard pages";
	s->guards[s->guard_count++] = (struct descriptor_extent){ start, pages };
	return NULL;
}

/*
 * What the kernel's scan is asked to tell apart. Linux 6.7 to 6.14 do not know guard pages by it (those of
 * 6.13 and 6.14 then fail when they are sent), older ones have no scan.
 */
#define SCAN_MARKS	(SCAN_FILE | SCAN_PFNZERO | SCAN_GUARD)

/*
 * Of a private file mapping only the pages that were modified are the snapshot's own. So it is with
 * memory that the kernel module fills: prepare has made all that mattered the process's own.
 */
static const char *scan_area(struct snapshot *s, struct descriptor_vma *v, int pagemap, uint32_t *marks)
{
	bool own_only = v->flags & (VMA_FILE | AREA_REMOTE), guards_only = v->flags & VMA_SHARED;
	const char *why = NULL;
	uint64_t at = v->start;

	while (*marks && at < v->end) {
		struct scan_region *regions = (void *)s->scratch;
		struct scan_arg arg = {
			.size = sizeof(arg), .start = at, .end = v->end,
			.vec = (uint64_t)regions, .vec_len = SCRATCH_BYTES / sizeof(*regions),
			.category_anyof_mask = SCAN_PRESENT | SCAN_SWAPPED | (*marks & SCAN_GUARD),
			.return_mask = *marks,
		};
		long n = sys(SYS_ioctl, pagemap, SCAN_IOCTL, &arg);

		if (n < 0) {
			if (at != v->start || (n != -EINVAL && n != -ENOTTY))
				return "PAGEMAP_SCAN failed";
			*marks = *marks & SCAN_GUARD ? *marks & ~SCAN_GUARD : 0;
			continue;
		}
		for (long i = 0; i < n && !why; i++) {
			uint64_t pages = (regions[i].end - regions[i].start) / PAGE_BYTES;

			if (regions[i].categories & SCAN_GUARD)
				why = add_guard(s, regions[i].start, pages);
			else if (!guards_only && !(regions[i].categories & SCAN_PFNZERO) &&
				 !(own_only && regions[i].categories & SCAN_FILE))
				why = add_extent(s, v, regions[i].start, pages);
		}
		if (why)
			return why;
		at = arg.walk_end;
	}
	if (*marks || guards_only)
		return NULL;

	while (at < v->end) {
		uint64_t *entries = (void *)s->scratch, pages = (v->end - at) / PAGE_BYTES;

		if (pages > SCRATCH_BYTES / 8)
			pages = SCRATCH_BYTES / 8;
		if (sys(SYS_pread64, pagemap, entries, pages * 8, at / PAGE_BYTES * 8) != (long)(pages * 8))
			return "cannot read /proc/self/pagemap on the parent's host";
		for (uint64_t i = 0; i < pages; i++) {
			if (!(entries[i] & (PAGEMAP_PRESENT | PAGEMAP_SWAPPED)))
				continue;
			if (own_only && entries[i] & PAGEMAP_FILE)
				continue;
			why = add_extent(s, v, at + i * PAGE_BYTES, 1);
			if (why)
				return why;
		}
		at += pages * PAGE_BYTES;
	}
	return NULL;
}

static uint64_t pages_of(const struct snapshot *s, const struct descriptor_vma *v)
{
	uint64_t pages = 0;

	for (uint32_t i = 0; i < v->extents; i++)
		pages += s->extents[v->first_extent + i].pages;
	return pages;
}

static bool may_be_wiped(const struct descriptor_vma *v)
{
	return !(v->flags & (VMA_FILE | VMA_SHARED | VMA_VDSO | VMA_STACK)) && !v->extents && v->prot & PROT_WRITE;
}

/*
 * Memory that a fork empties is empty here; that it has to stay so only smaps tells, at the price of
 * a walk through all page tables: it is asked where there is such an area only.
 */
static const char *collect_wiped(struct snapshot *s)
{
	static const char unreadable[] = "cannot read /proc/self/smaps on the parent's host";
	struct line_reader r = { .buffer = s->scratch, .capacity = SCRATCH_BYTES };
	struct descriptor_vma *v = NULL;
	uint32_t next = 0;
	const char *p;

	while (next < s->vma_count && !may_be_wiped(&s->vmas[next]))
		next++;
	if (next == s->vma_count)
		return NULL;
	r.fd = (int)sys(SYS_open, "/proc/self/smaps", O_RDONLY | O_CLOEXEC);
	if (r.fd < 0)
		return unreadable;
	while ((p = next_line(&r))) {
		/* An area begins with its address, what is said about it with a capital letter. */
		if (*p < 'A' || *p > 'Z') {
			uint64_t start = text_number(&p, 16);

			while (next < s->vma_count && s->vmas[next].start < start)
				next++;
			v = next < s->vma_count && s->vmas[next].start == start ? &s->vmas[next] : NULL;
		} else if (v && may_be_wiped(v) && text_begins(p, "VmFlags:")) {
			for (p += text_length("VmFlags:"); p[0] == ' ' && p[1] && p[2]; p += 3) {
				if (p[1] == 'w' && p[2] == 'f')
					v->flags |= VMA_WIPED;
				else if (p[1] == 'd' && p[2] == 'p')
					v->flags |= VMA_DROPPABLE;
			}
		}
	}
	sys(SYS_close, r.fd);
	return r.failed ? unreadable : NULL;
}

const char *collect_pages(struct snapshot *s)
{
	int pagemap = (int)sys(SYS_open, "/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint32_t marks = SCAN_MARKS;

	if (pagemap < 0)
		return "cannot read /proc/self/pagemap on the parent's host";
	for (uint32_t i = 0; i < s->vma_count; i++) {
		struct descriptor_vma *v = &s->vmas[i];
		uint32_t guards = s->guard_count;
		const char *why;

		v->first_extent = s->extent_count;
		if (v->flags & VMA_VDSO)
			continue;
		/* Of shared memory the pages are not the snapshot's own: the child's host decides. */
		why = scan_area(s, v, pagemap, &marks);
		if (why)
			return why;
		if (v->flags & VMA_FILE && s->files[v->file].gone && s->guard_count != guards)
			return "it has guard pages in a mapping of a file that is gone";
		s->header.pages += pages_of(s, v);
		v->flags &= ~AREA_REMOTE;
	}
	sys(SYS_close, pagemap);
	return collect_wiped(s);
}

static bool holds(const struct descriptor_vma *v, uint64_t address)
{
	return address >= v->start && address < v->end;
}

/*
 * Hot pages travel with the descriptor: the stack, which is restored whole; modified pages of file
 * mappings, since userfaultfd does not serve those; and small areas, among them nearly always the
 * thread control block and the .bss of libraries.
 */
const char *choose_hot(struct snapshot *s)
{
	uint64_t file_budget = HOT_FILE_BUDGET, area_budget = HOT_AREA_BUDGET;

	for (uint32_t i = 0; i < s->vma_count; i++) {
		struct descriptor_vma *v = &s->vmas[i];
		uint64_t pages = pages_of(s, v);
		bool hot = false;

		if (!pages)
			continue;
		if (v->flags & VMA_STACK) {
			hot = true;
		} else if (v->flags & VMA_FILE) {
			hot = pages <= file_budget && !s->files[v->file].gone;
			if (hot)
				file_budget -= pages;
			else
				v->flags |= VMA_TRAVELS;
		} else {
			hot = pages <= HOT_AREA_PAGES && pages <= area_budget;
			if (hot)
				area_budget -= pages;
			hot = hot || (pages <= HOT_AREA_PAGES && holds(v, s->header.fs_base));
		}
		if (!hot)
			continue;
		if (s->hot_count + v->extents > HOT_MAX || s->header.hot_pages + pages > DESCRIPTOR_HOT_MAX) {
			if (v->flags & VMA_STACK)
				return "its stack is too large or too fragmented";
			if (v->flags & VMA_FILE)
				v->flags |= VMA_TRAVELS;
			continue;
		}
		for (uint32_t k = 0; k < v->extents; k++)
			s->hot[s->hot_count++] = s->extents[v->first_extent + k];
		s->header.hot_pages += pages;
	}
	return NULL;
}

