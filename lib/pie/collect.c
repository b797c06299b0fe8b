// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * collect.c - the shadow describes itself, which is to say the parent at the moment of prepare.
 *
 * Everything here happens after the parent has gone on: an early child waits in the listen
 * backlog meanwhile. What fork(2) does not copy (timers, pending signals, the robust list) was read
 * by the parent beforehand and stands in shadow_args.
 */
#include "snapshot.h"
#include "buildid.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <asm/prctl.h>

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
};

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
		if (r->used == r->capacity)
			return NULL;
		long n = sys(SYS_read, r->fd, r->buffer + r->used, r->capacity - r->used);

		if (n <= 0)
			return NULL;
		r->used += (uint32_t)n;
	}
}

static long read_whole(const char *path, void *to, uint32_t capacity)
{
	long fd = sys(SYS_open, path, O_RDONLY | O_CLOEXEC);
	uint32_t have = 0;

	if (fd < 0)
		return fd;
	while (have < capacity) {
		long n = sys(SYS_read, fd, (char *)to + have, capacity - have);

		if (n < 0) {
			sys(SYS_close, fd);
			return n;
		}
		if (!n)
			break;
		have += (uint32_t)n;
	}
	sys(SYS_close, fd);
	return have;
}

/* Returns the string's offset; 0, the empty string, when the table is full. */
static uint32_t add_string(struct snapshot *s, const char *text)
{
	uint32_t length = (uint32_t)text_length(text) + 1, at = s->strings_length;

	if (length > STRINGS_MAX - at)
		return 0;
	memcpy(s->strings + at, text, length);
	s->strings_length += length;
	return at;
}

static int64_t mtime_of(const struct stat *st)
{
	return st->st_mtim.tv_sec * 1000000000LL + st->st_mtim.tv_nsec;
}

/* ---- descriptors ---- */

struct dirent64 {
	uint64_t inode;
	int64_t offset;
	uint16_t length;
	uint8_t type;
	char name[];
};

static void collect_fd(struct snapshot *s, uint32_t fd)
{
	struct descriptor_fd *f = &s->fds[s->fd_count];
	char name[40], *end;
	struct stat st;

	if (s->fd_count == FDS_MAX || sys(SYS_fstat, fd, &st) < 0)
		return;
	end = text_append_number(text_append(name, "/proc/self/fd/"), fd);
	*end = '\0';
	long n = sys(SYS_readlink, name, s->scratch2, 4096);

	if (n < 0)
		n = 0;
	s->scratch2[n] = '\0';
	*f = (struct descriptor_fd){
		.fd = fd, .path = add_string(s, s->scratch2), .mode = st.st_mode,
		.size = (uint64_t)st.st_size, .mtime_ns = mtime_of(&st),
		.device = st.st_dev, .inode = st.st_ino,
	};
	end = text_append_number(text_append(name, "/proc/self/fdinfo/"), fd);
	*end = '\0';
	n = read_whole(name, s->scratch2, 4096 - 1);
	if (n < 0)
		return;
	s->scratch2[n] = '\0';
	for (const char *p = s->scratch2; *p; p++) {
		if (p[0] == 'p' && p[1] == 'o' && p[2] == 's' && p[3] == ':') {
			p += 5;
			f->position = text_number(&p, 10);
		} else if (p[0] == 'f' && p[1] == 'l' && p[2] == 'a' && p[3] == 'g') {
			p += 7;
			f->open_flags = (uint32_t)text_number(&p, 8);
		}
		while (*p && *p != '\n')
			p++;
		if (!*p)
			break;
	}
	s->fd_count++;
}

const char *collect_files(struct snapshot *s)
{
	long dir = sys(SYS_open, "/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	s->strings_length = 1;	/* offset 0 is "" */
	if (dir < 0)
		return "cannot read /proc/self/fd on the parent's host";
	for (;;) {
		long n = sys(SYS_getdents64, dir, s->scratch, SCRATCH_BYTES);

		if (n <= 0)
			break;
		for (long at = 0; at < n;) {
			const struct dirent64 *e = (void *)(s->scratch + at);
			const char *digits = e->name;

			at += e->length;
			if (*digits < '0' || *digits > '9')
				continue;
			uint32_t fd = (uint32_t)text_number(&digits, 10);

			if (fd > 2 && (int)fd != dir && (int)fd != s->args.listen_fd &&
			    (int)fd != s->args.control_fd && (int)fd != s->args.device_fd)
				collect_fd(s, fd);
		}
	}
	/* From here on only the listener is open, as descriptor 0, and /dev/mitosis as 1. */
	if (!s->args.device_fd) {
		s->args.device_fd = (int32_t)sys(SYS_fcntl, 0, F_DUPFD_CLOEXEC, 2);
		if (s->args.device_fd < 0)
			return "cannot keep /dev/mitosis";
	}
	if (s->args.listen_fd && sys(SYS_dup3, s->args.listen_fd, 0, O_CLOEXEC) < 0)
		return "cannot keep the listening socket";
	s->args.listen_fd = 0;
	if (s->args.device_fd > 1) {
		if (sys(SYS_dup3, s->args.device_fd, 1, O_CLOEXEC) < 0)
			return "cannot keep /dev/mitosis";
		s->args.device_fd = 1;
	}
	sys(SYS_close_range, s->args.device_fd < 0 ? 1 : 2, ~0U, 0);
	return NULL;
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

static const char *add_file(struct snapshot *s, const char *path, uint64_t inode, uint32_t *index)
{
	struct stat st;

	/* Mappings of one file follow each other almost always. */
	for (uint32_t i = s->file_count, tries = 0; i-- > 0 && tries < 8; tries++) {
		if (s->files[i].inode == inode && text_is(s->strings + s->files[i].path, path)) {
			*index = i;
			return NULL;
		}
	}
	if (s->file_count == FILES_MAX)
		return "too many mapped files";
	struct descriptor_file *f = &s->files[s->file_count];

	*f = (struct descriptor_file){ .path = add_string(s, path), .inode = inode };
	if (!f->path)
		return "the names of mapped files are too long";
	if (sys(SYS_stat, path, &st) < 0 || st.st_ino != inode || !S_ISREG(st.st_mode)) {
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

static const char *collect_areas(struct snapshot *s)
{
	struct line_reader r = { .buffer = s->scratch, .capacity = SCRATCH_BYTES };
	const char *p;

	r.fd = (int)sys(SYS_open, "/proc/self/maps", O_RDONLY | O_CLOEXEC);
	if (r.fd < 0)
		return "cannot read /proc/self/maps on the parent's host";
	while ((p = next_line(&r))) {
		struct descriptor_vma v = { 0 };
		uint64_t inode;

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
		text_number(&p, 16);
		p++;
		text_number(&p, 16);
		p++;
		inode = text_number(&p, 10);
		while (*p == ' ')
			p++;
		if (v.start >= USER_END)
			continue;	/* [vsyscall] */
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
				continue;
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
			const char *why = add_file(s, p, inode, &v.file);

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

/*
 * Of a private file mapping only the pages that were modified are the snapshot's own. So it is with
 * memory that the kernel module fills: prepare has made all that mattered the process's own.
 */
static const char *scan_area(struct snapshot *s, struct descriptor_vma *v, int pagemap, bool *use_ioctl)
{
	bool own_only = v->flags & (VMA_FILE | AREA_REMOTE);
	const char *why = NULL;

	for (uint64_t at = v->start; *use_ioctl && at < v->end;) {
		struct scan_region *regions = (void *)s->scratch;
		struct scan_arg arg = {
			.size = sizeof(arg), .start = at, .end = v->end,
			.vec = (uint64_t)regions, .vec_len = SCRATCH_BYTES / sizeof(*regions),
			.category_anyof_mask = SCAN_PRESENT | SCAN_SWAPPED,
			.return_mask = SCAN_FILE | SCAN_PFNZERO,
		};
		long n = sys(SYS_ioctl, pagemap, SCAN_IOCTL, &arg);

		if (n < 0) {
			if (at != v->start)
				return "PAGEMAP_SCAN failed";
			*use_ioctl = false;	/* before Linux 6.7 */
			break;
		}
		for (long i = 0; i < n && !why; i++) {
			if (regions[i].categories & SCAN_PFNZERO)
				continue;
			if (own_only && regions[i].categories & SCAN_FILE)
				continue;
			why = add_extent(s, v, regions[i].start,
					 (regions[i].end - regions[i].start) / PAGE_BYTES);
		}
		if (why)
			return why;
		at = arg.walk_end;
	}
	if (*use_ioctl)
		return NULL;

	for (uint64_t at = v->start; at < v->end;) {
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

static const char *collect_pages(struct snapshot *s)
{
	int pagemap = (int)sys(SYS_open, "/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	bool use_ioctl = true;

	if (pagemap < 0)
		return "cannot read /proc/self/pagemap on the parent's host";
	for (uint32_t i = 0; i < s->vma_count; i++) {
		struct descriptor_vma *v = &s->vmas[i];
		const char *why;

		v->first_extent = s->extent_count;
		if (v->flags & VMA_VDSO)
			continue;
		if (v->flags & VMA_SHARED)
			continue;	/* not the snapshot's own: decided by the child's host */
		why = scan_area(s, v, pagemap, &use_ioctl);
		if (why)
			return why;
		s->header.pages += pages_of(s, v);
		v->flags &= ~AREA_REMOTE;
	}
	sys(SYS_close, pagemap);
	return NULL;
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
static const char *choose_hot(struct snapshot *s)
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

/* ---- the rest ---- */

/* Field numbers of /proc/PID/stat as in proc(5). */
static const char *collect_mm(struct snapshot *s)
{
	struct descriptor_mm *mm = &s->header.mm;
	uint64_t field[53] = { 0 };
	long n = read_whole("/proc/self/stat", s->scratch2, 8191);
	const char *p = s->scratch2, *behind = NULL;

	if (n <= 0)
		return "cannot read /proc/self/stat on the parent's host";
	s->scratch2[n] = '\0';
	for (; *p; p++)
		if (*p == ')')
			behind = p;
	if (!behind)
		return "cannot parse /proc/self/stat on the parent's host";
	p = behind + 4;		/* ") S ": field 4 begins */
	for (int i = 4; i <= 52 && *p; i++) {
		if (*p == '-')
			p++;
		field[i] = text_number(&p, 10);
		while (*p && *p != ' ')
			p++;
		if (*p)
			p++;
	}
	*mm = (struct descriptor_mm){
		.start_code = field[26], .end_code = field[27], .start_stack = field[28],
		.start_data = field[45], .end_data = field[46], .start_brk = field[47],
		.arg_start = field[48], .arg_end = field[49],
		.env_start = field[50], .env_end = field[51],
		.brk = (uint64_t)sys(SYS_brk, 0),
	};
	return NULL;
}

static void collect_signals(struct snapshot *s)
{
	struct { uint64_t base; int32_t flags; uint32_t pad; uint64_t size; } stack = { 0 };

	for (int i = 1; i <= DESCRIPTOR_SIGNALS; i++)
		sys(SYS_rt_sigaction, i, 0, &s->header.actions[i - 1], 8);
	if (!sys(SYS_sigaltstack, 0, &stack)) {
		s->header.altstack_base = stack.base;
		s->header.altstack_length = stack.size;
		s->header.altstack_flags = (uint32_t)stack.flags;
	}
}

static uint32_t collect_link(struct snapshot *s, const char *link)
{
	long n = sys(SYS_readlink, link, s->scratch2, 4096);

	if (n <= 0)
		return 0;
	s->scratch2[n] = '\0';
	return add_string(s, s->scratch2);
}

static void place_table(struct descriptor *d, struct descriptor_table *t, uint32_t count, uint64_t entry)
{
	t->offset = (uint32_t)d->length;
	t->count = count;
	d->length = (d->length + count * entry + 7) & ~7ULL;
}

const char *collect(struct snapshot *s)
{
	struct descriptor *d = &s->header;
	const struct shadow_args *a = &s->args;
	const char *why;
	long n;

	*d = (struct descriptor){
		.magic = DESCRIPTOR_MAGIC, .major = DESCRIPTOR_MAJOR, .minor = DESCRIPTOR_MINOR,
		.page_size = PAGE_BYTES, .user_end = USER_END,
		.registers = a->registers, .fs_base = a->fs_base, .tid_address = a->tid_address,
		.robust_list = a->robust_list, .robust_list_length = a->robust_list_length,
		.rseq = a->rseq, .rseq_length = a->rseq_length, .rseq_signature = 0x53053053,
		.signal_mask = a->signal_mask, .signal_pending = a->signal_pending,
		.resume_entry = a->resume_entry, .child_state = a->child_state,
	};
	memcpy(d->timers, a->timers, sizeof(d->timers));
	cpu_identify(&d->cpu);
	sys(SYS_arch_prctl, ARCH_GET_GS, &d->gs_base);
	sys(SYS_prctl, PR_GET_NAME, d->comm);
	d->umask = (uint32_t)sys(SYS_umask, 0);
	for (int i = 0; i < DESCRIPTOR_LIMITS; i++)
		sys(SYS_prlimit64, 0, i, 0, &d->limits[i]);
	d->cwd = collect_link(s, "/proc/self/cwd");
	d->exe = collect_link(s, "/proc/self/exe");
	collect_signals(s);
	n = read_whole("/proc/self/auxv", s->auxv, sizeof(s->auxv));
	if (n <= 0)
		return "cannot read /proc/self/auxv on the parent's host";
	s->auxv_count = (uint32_t)n / 8;
	why = collect_mm(s);
	if (!why)
		why = collect_areas(s);
	if (why)
		return why;
	if (d->vdso_image)
		d->vdso_hash = descriptor_hash((void *)d->vdso_image, d->vdso_image_length);
	why = collect_pages(s);
	if (!why)
		why = choose_hot(s);
	if (why)
		return why;
	/* Pages behind PROT_NONE and the like must be readable to be sent. */
	for (uint32_t i = 0; i < s->vma_count; i++) {
		const struct descriptor_vma *v = &s->vmas[i];

		if (v->prot & PROT_READ || v->flags & (VMA_VDSO | VMA_SHARED) ||
		    (!v->extents && !(v->flags & VMA_FILE)))
			continue;
		if (sys(SYS_mprotect, v->start, v->end - v->start, v->prot | PROT_READ) < 0 && v->extents)
			return "an area without read permission cannot be read";
	}

	d->length = sizeof(*d);
	place_table(d, &d->vmas, s->vma_count, sizeof(s->vmas[0]));
	place_table(d, &d->extents, s->extent_count, sizeof(s->extents[0]));
	place_table(d, &d->hot, s->hot_count, sizeof(s->hot[0]));
	place_table(d, &d->files, s->file_count, sizeof(s->files[0]));
	place_table(d, &d->fds, s->fd_count, sizeof(s->fds[0]));
	place_table(d, &d->auxv, s->auxv_count, sizeof(s->auxv[0]));
	place_table(d, &d->strings, s->strings_length, 1);
	return d->length > DESCRIPTOR_MAX ? "its description is too long" : NULL;
}
