// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * pages.c - which pages the snapshot holds of its own, which of them travel at once, and guard
 * pages.
 */
#include "state/state.h"

#ifdef IN_SHADOW

#include "shadow/read.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

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
/* To look at what was advised of more memory than this would take too long. */
#define ADVICE_PAGES_MAX 65536u
/*
 * More modified pages than this in all file mappings: the rest of such mappings travels on demand.
 */
#define HOT_FILE_BUDGET	2048u

static const char *add_extent(struct snapshot *s, struct descriptor_vma *v, uint64_t start,
			      uint64_t pages)
{
	struct descriptor_extent *last = &s->extents[s->n.extents - 1];

	if (v->extents && last->start + last->pages * PAGE_BYTES == start) {
		last->pages += pages;
		return NULL;
	}
	if (s->n.extents == ARRAY_SIZE(s->extents))
		return "its memory is too fragmented";
	s->extents[s->n.extents++] = (struct descriptor_extent){ start, pages };
	v->extents++;
	return NULL;
}

static const char *add_guard(struct snapshot *s, uint64_t start, uint64_t pages)
{
	if (s->n.guards == ARRAY_SIZE(s->guards))
		return "it has too many guard pages";
	s->guards[s->n.guards++] = (struct descriptor_extent){ start, pages };
	return NULL;
}

/*
 * What the kernel's scan is asked to tell apart. Linux 6.7 to 6.14 do not know guard pages by it
 * (those of 6.13 and 6.14 then fail when they are sent), older ones have no scan.
 */
#define SCAN_MARKS	(SCAN_FILE | SCAN_PFNZERO | SCAN_GUARD)

/*
 * Of a private file mapping only the pages that were modified are the snapshot's own. So it is with
 * memory that the kernel module fills: prepare has made all that mattered the process's own.
 */
static const char *scan_area(struct snapshot *s, struct descriptor_vma *v, int pagemap,
			     uint32_t *marks)
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
		/* walk_end stays behind where the kernel's own buffer of 512 regions filled up. */
		at = arg.walk_end;
		if (n && regions[n - 1].end > at)
			at = regions[n - 1].end;
	}
	if (*marks || guards_only)
		return NULL;

	while (at < v->end) {
		uint64_t *entries = (void *)s->scratch, pages = (v->end - at) / PAGE_BYTES;

		if (pages > SCRATCH_BYTES / 8)
			pages = SCRATCH_BYTES / 8;
		if (sys(SYS_pread64, pagemap, entries, pages * 8, at / PAGE_BYTES * 8) !=
		    (long)(pages * 8))
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
	return !(v->flags & (VMA_FILE | VMA_SHARED | VMA_VDSO | VMA_STACK)) && !v->extents &&
	       v->prot & PROT_WRITE;
}

static const char *add_advice(struct snapshot *s, const struct descriptor_vma *v, uint32_t advice)
{
	if (!advice)
		return NULL;
	if (s->n.advice == ARRAY_SIZE(s->advice))
		return "too much was advised of its memory";
	s->advice[s->n.advice++] = (struct descriptor_advice){ v->start, v->end, advice, 0 };
	return NULL;
}

static uint32_t advice_of(const char *flag)
{
	static const char names[][3] = { "dd", "rr", "sr", "hg", "nh", "mg" };

	for (uint32_t i = 0; i < ARRAY_SIZE(names); i++)
		if (flag[0] == names[i][0] && flag[1] == names[i][1])
			return 1u << i;
	return 0;
}

/*
 * Memory that a fork empties is empty here; that it has to stay so only smaps tells, and what was
 * advised of memory, at the price of a walk through all page tables (1 ms for 20 MiB in small
 * pages): it is asked where there is such an area, or the price is low.
 */
static const char *read_flags(struct snapshot *s)
{
	static const char unreadable[] = "cannot read /proc/self/smaps on the parent's host";
	struct line_reader r = { .buffer = s->scratch, .capacity = SCRATCH_BYTES };
	struct descriptor_vma *v = NULL;
	uint32_t next = 0;
	const char *p;

	while (next < s->n.vmas && !may_be_wiped(&s->vmas[next]))
		next++;
	if (next == s->n.vmas && s->header.pages > ADVICE_PAGES_MAX)
		return NULL;
	next = 0;
	r.fd = (int)sys(SYS_openat, AT_FDCWD, "/proc/self/smaps", O_RDONLY | O_CLOEXEC);
	if (r.fd < 0)
		return unreadable;
	while ((p = next_line(&r))) {
		/* An area begins with its address, what is said about it with a capital letter. */
		if (*p < 'A' || *p > 'Z') {
			uint64_t start = text_number(&p, 16);

			while (next < s->n.vmas && s->vmas[next].start < start)
				next++;
			v = next < s->n.vmas && s->vmas[next].start == start ? &s->vmas[next]
									     : NULL;
		} else if (v && !(v->flags & VMA_VDSO) && text_begins(p, "VmFlags:")) {
			bool wiped = may_be_wiped(v);
			uint32_t advice = 0;
			const char *why;

			for (p += text_length("VmFlags:"); p[0] == ' ' && p[1] && p[2]; p += 3) {
				if (wiped && p[1] == 'w' && p[2] == 'f')
					v->flags |= VMA_WIPED;
				else if (wiped && p[1] == 'd' && p[2] == 'p')
					v->flags |= VMA_DROPPABLE;
				advice |= advice_of(p + 1);
			}
			/* The kernel itself says so of memory that it may drop. */
			if (v->flags & VMA_DROPPABLE)
				advice &= ~(uint32_t)ADVICE_NO_DUMP;
			why = add_advice(s, v, advice);
			if (why)
				return why;
		}
	}
	sys(SYS_close, r.fd);
	return r.failed ? unreadable : NULL;
}

const char *pages_read(struct snapshot *s)
{
	int pagemap = (int)sys(SYS_openat, AT_FDCWD, "/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint32_t marks = SCAN_MARKS;

	if (pagemap < 0)
		return "cannot read /proc/self/pagemap on the parent's host";
	for (uint32_t i = 0; i < s->n.vmas; i++) {
		struct descriptor_vma *v = &s->vmas[i];
		uint32_t guards = s->n.guards;
		const char *why;

		v->first_extent = s->n.extents;
		if (v->flags & VMA_VDSO)
			continue;
		/*
		 * Of shared memory the pages are not the snapshot's own: the child's host decides.
		 */
		why = scan_area(s, v, pagemap, &marks);
		if (why)
			return why;
		if (v->flags & VMA_FILE && s->mapped[v->mapped].gone && s->n.guards != guards)
			return "it has guard pages in a mapping of a file that is gone";
		s->header.pages += pages_of(s, v);
		v->flags &= ~AREA_REMOTE;
	}
	sys(SYS_close, pagemap);
	return read_flags(s);
}

static bool holds(const struct descriptor_vma *v, uint64_t address)
{
	return address >= v->start && address < v->end;
}

/* A thread begins with what is its own and with its stack. */
static bool is_of_thread(const struct snapshot *s, const struct descriptor_vma *v)
{
	for (uint32_t i = 0; i < s->n.threads; i++)
		if (holds(v, arch_tls(&s->threads[i].registers)) ||
		    holds(v, arch_stack(&s->threads[i].registers)))
			return true;
	return false;
}

/*
 * Hot pages travel with the descriptor: the stack, which is restored whole; modified pages of file
 * mappings, since userfaultfd does not serve those; and small areas, among them nearly always the
 * thread control block and the .bss of libraries.
 */

const char *pages_choose_hot(struct snapshot *s)
{
	uint64_t file_budget = HOT_FILE_BUDGET, area_budget = HOT_AREA_BUDGET;

	for (uint32_t i = 0; i < s->n.vmas; i++) {
		struct descriptor_vma *v = &s->vmas[i];
		uint64_t pages = pages_of(s, v);
		bool hot = false;

		if (!pages)
			continue;
		if (v->flags & VMA_STACK) {
			hot = true;
		} else if (v->flags & VMA_FILE) {
			hot = pages <= file_budget && !s->mapped[v->mapped].gone;
			if (hot)
				file_budget -= pages;
			else
				v->flags |= VMA_TRAVELS;
		} else {
			hot = pages <= HOT_AREA_PAGES && pages <= area_budget;
			if (hot)
				area_budget -= pages;
			hot = hot || (pages <= HOT_AREA_PAGES && is_of_thread(s, v));
		}
		if (!hot)
			continue;
		if (s->n.hot + v->extents > ARRAY_SIZE(s->hot) ||
		    s->header.hot_pages + pages > DESCRIPTOR_HOT_MAX) {
			if (v->flags & VMA_STACK)
				return "its stack is too large or too fragmented";
			if (v->flags & VMA_FILE)
				v->flags |= VMA_TRAVELS;
			continue;
		}
		for (uint32_t k = 0; k < v->extents; k++)
			s->hot[s->n.hot++] = s->extents[v->first_extent + k];
		s->header.hot_pages += pages;
	}
	return NULL;
}

/* Pages behind PROT_NONE and the like must be readable to be sent. */
const char *pages_open(struct snapshot *s)
{
	for (uint32_t i = 0; i < s->n.vmas; i++) {
		const struct descriptor_vma *v = &s->vmas[i];

		if (v->prot & PROT_READ || v->flags & (VMA_VDSO | VMA_SHARED) ||
		    (!v->extents && !(v->flags & VMA_FILE)))
			continue;
		if (sys(SYS_mprotect, v->start, v->end - v->start, v->prot | PROT_READ) < 0 &&
		    v->extents)
			return "an area without read permission cannot be read";
	}
	return NULL;
}

#endif
#ifdef IN_LIBRARY

#include <stdbool.h>

#define PAGE_ALIGNED(x) (!((x) % PAGE_BYTES))

static bool is_advice(const struct descriptor *d)
{
	const struct descriptor_advice *e = descriptor_at(d, d->advice);

	for (uint32_t i = 0; i < d->advice.count; i++)
		if (!PAGE_ALIGNED(e[i].start) || !PAGE_ALIGNED(e[i].end) ||
		    !descriptor_is_user(e[i].start) || e[i].end > USER_END ||
		    e[i].end <= e[i].start || e[i].reserved ||
		    e[i].advice & ~(uint32_t)ADVICE_KNOWN || (i && e[i].start < e[i - 1].end))
			return false;
	return true;
}

static bool are_in_order(const struct descriptor *d, struct descriptor_table table)
{
	const struct descriptor_extent *e = descriptor_at(d, table);

	for (uint32_t i = 0; i < table.count; i++)
		if (!PAGE_ALIGNED(e[i].start) || !descriptor_is_user(e[i].start) || !e[i].pages ||
		    e[i].pages > (USER_END - e[i].start) / PAGE_BYTES ||
		    (i && e[i].start < e[i - 1].start + e[i - 1].pages * PAGE_BYTES))
			return false;
	return true;
}

const char *pages_check(const struct descriptor *d)
{
	const struct descriptor_vma *vmas = descriptor_at(d, d->vmas);
	const struct descriptor_extent *e = descriptor_at(d, d->extents),
				       *hot = descriptor_at(d, d->hot);
	uint64_t pages = 0, hot_pages = 0;
	uint32_t next = 0, area = 0;

	for (uint32_t i = 0; i < d->vmas.count; i++) {
		uint64_t at = vmas[i].start;

		if (vmas[i].first_extent != next || vmas[i].extents > d->extents.count - next)
			return "extents do not follow the areas";
		for (uint32_t k = 0; k < vmas[i].extents; k++, next++) {
			if (!PAGE_ALIGNED(e[next].start) || e[next].start < at ||
			    e[next].start >= vmas[i].end || !e[next].pages ||
			    e[next].pages > (vmas[i].end - e[next].start) / PAGE_BYTES)
				return "an extent lies outside its area";
			at = e[next].start + e[next].pages * PAGE_BYTES;
			pages += e[next].pages;
		}
	}
	if (next != d->extents.count || pages != d->pages)
		return "extents and areas do not agree";
	/* Each hot run lies in one area, and they ascend. */
	for (uint32_t i = 0; i < d->hot.count; i++) {
		if (!PAGE_ALIGNED(hot[i].start) || !hot[i].pages ||
		    hot[i].pages > DESCRIPTOR_HOT_MAX ||
		    (i && hot[i].start < hot[i - 1].start + hot[i - 1].pages * PAGE_BYTES))
			return "hot pages are out of order";
		while (area < d->vmas.count && vmas[area].end <= hot[i].start)
			area++;
		if (area == d->vmas.count || hot[i].start < vmas[area].start ||
		    hot[i].pages > (vmas[area].end - hot[i].start) / PAGE_BYTES ||
		    vmas[area].flags & (VMA_VDSO | VMA_SHARED))
			return "hot pages lie outside the areas";
		hot_pages += hot[i].pages;
	}
	if (!are_in_order(d, d->guards))
		return "guard pages are out of order";
	if (!are_in_order(d, d->unforked))
		return "areas that a fork does not copy are out of order";
	if (!is_advice(d))
		return "what was advised of memory is malformed";
	if (hot_pages != d->hot_pages || hot_pages > DESCRIPTOR_HOT_MAX)
		return "wrong number of hot pages";
	return NULL;
}

#endif
#ifdef IN_RESTORER

#include "format/wire.h"

#include "pie/freestanding.h"

#include <errno.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

/* From Linux 6.13 on; older headers lack it. */
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL	102
#endif

void pages_guard(const struct restorer_args *a)
{
	const struct descriptor_extent *guards = descriptor_at(a->descriptor,
							       a->descriptor->guards);

	for (uint32_t i = 0; i < a->descriptor->guards.count; i++) {
		const struct descriptor_extent *e = &guards[i];
		long ret = sys(SYS_madvise, e->start, e->pages * PAGE_BYTES, MADV_GUARD_INSTALL);

		if (ret < 0)
			restore_fail(a, RESTORE_GUARD, ret, e->start);
	}
}

/* The step that covers an address; extents come in ascending order, as steps do. */
static const struct map_step *covering(const struct restorer_args *a, uint32_t *hint,
				       uint64_t address)
{
	while (*hint < a->step_count && a->steps[*hint].end <= address)
		(*hint)++;
	return &a->steps[*hint];
}

static bool is_writable(const struct map_step *m)
{
	return (m->prot & (PROT_READ | PROT_WRITE)) == (PROT_READ | PROT_WRITE);
}

static void protect(const struct restorer_args *a, const struct map_step *m, int prot)
{
	long ret = sys(SYS_mprotect, m->start, m->end - m->start, prot);

	if (ret < 0)
		restore_fail(a, RESTORE_PROTECT, ret, m->start);
}

void pages_fill_hot(const struct restorer_args *a)
{
	const struct descriptor_extent *hot = descriptor_at(a->descriptor, a->descriptor->hot);
	const struct map_step *open = NULL;
	const uint8_t *data = a->hot_data;
	uint32_t hint = 0;

	for (uint32_t i = 0; i < a->descriptor->hot.count; i++) {
		const struct descriptor_extent *e = &hot[i];
		const struct map_step *m = covering(a, &hint, e->start);

		if (m != open) {
			if (open && !is_writable(open))
				protect(a, open, (int)open->prot);
			if (!is_writable(m))
				protect(a, m, PROT_READ | PROT_WRITE);
			open = m;
		}
		memcpy((void *)e->start, data, e->pages * PAGE_BYTES);
		data += e->pages * PAGE_BYTES;
	}
	if (open && !is_writable(open))
		protect(a, open, (int)open->prot);
}

/* Eager mode with the kernel module: have all pages, and copies of those that may be written. */
void pages_populate(const struct restorer_args *a)
{
	uint32_t hint = 0;

	for (uint32_t i = 0; i < a->populate_count; i++) {
		const struct descriptor_extent *e = &a->populate[i];
		const struct map_step *m = covering(a, &hint, e->start);
		bool hidden = !(m->prot & PROT_READ);
		long ret;

		if (hidden)
			protect(a, m, PROT_READ);
		ret = sys(SYS_madvise, e->start, e->pages * PAGE_BYTES,
			  is_writable(m) ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
		if (ret < 0)
			restore_fail(a, RESTORE_FETCH, ret, e->start);
		if (hidden)
			protect(a, m, (int)m->prot);
	}
}

/*
 * Register the areas whose pages arrive on demand. MADV_DONTFORK: a fork that went past the
 * library (raw clone) would find zeros for what is missing; now it finds nothing and dies. The
 * library's fork handler fetches everything and lifts it.
 */
void pages_register(const struct restorer_args *a)
{
	for (uint32_t i = 0; i < a->step_count; i++) {
		const struct map_step *m = &a->steps[i];
		struct uffdio_register r = {
			.range = { m->start, m->end - m->start },
			.mode = UFFDIO_REGISTER_MODE_MISSING,
		};
		long ret;

		if (!(m->flags & MAP_STEP_UFFD))
			continue;
		ret = sys(SYS_ioctl, a->uffd, UFFDIO_REGISTER, &r);
		if (!ret)
			ret = sys(SYS_madvise, m->start, m->end - m->start, MADV_DONTFORK);
		if (ret < 0)
			restore_fail(a, RESTORE_REGISTER, ret, m->start);
	}
}

static long advise(const struct descriptor_advice *e, uint32_t which, int advice)
{
	long ret = e->advice & which ? sys(SYS_madvise, e->start, e->end - e->start, advice) : 0;

	/* A kernel that does not do this at all has no use for the hint. */
	return ret == -EINVAL ? 0 : ret;
}

void pages_advise(const struct restorer_args *a)
{
	const struct descriptor_advice *advice = descriptor_at(a->descriptor,
							       a->descriptor->advice);

	for (uint32_t i = 0; i < a->descriptor->advice.count; i++) {
		const struct descriptor_advice *e = &advice[i];
		long ret = e->advice & ADVICE_NO_DUMP
				   ? sys(SYS_madvise, e->start, e->end - e->start, MADV_DONTDUMP)
				   : 0;

		if (!ret)
			ret = advise(e, ADVICE_RANDOM, MADV_RANDOM);
		if (!ret)
			ret = advise(e, ADVICE_SEQUENTIAL, MADV_SEQUENTIAL);
		if (!ret)
			ret = advise(e, ADVICE_HUGE, MADV_HUGEPAGE);
		if (!ret)
			ret = advise(e, ADVICE_NOT_HUGE, MADV_NOHUGEPAGE);
		if (!ret)
			ret = advise(e, ADVICE_MERGEABLE, MADV_MERGEABLE);
		if (ret < 0)
			restore_fail(a, RESTORE_MMAP, ret, e->start);
	}
}

void pages_unfork(const struct restorer_args *a)
{
	const struct descriptor_extent *unforked = descriptor_at(a->descriptor,
								 a->descriptor->unforked);

	for (uint32_t i = 0; i < a->descriptor->unforked.count; i++) {
		const struct descriptor_extent *e = &unforked[i];
		long ret = sys(SYS_madvise, e->start, e->pages * PAGE_BYTES, MADV_DONTFORK);

		if (ret < 0)
			restore_fail(a, RESTORE_MMAP, ret, e->start);
	}
}

static void receive(const struct restorer_args *a, void *to, uint64_t bytes, uint64_t address)
{
	while (bytes) {
		long n = sys(SYS_recvfrom, a->socket_fd, to, bytes, MSG_WAITALL, 0, 0);

		if (n == -EINTR)
			continue;
		if (n <= 0)
			restore_fail(a, RESTORE_FETCH, n ? n : -ECONNRESET, address);
		to = (char *)to + n;
		bytes -= (uint64_t)n;
	}
}

/* Eager mode: read every page into place over the connection. */
void pages_fetch_all(const struct restorer_args *a)
{
	const struct map_step *open = NULL;
	uint32_t hint = 0;

	for (uint32_t i = 0; i < a->missing_count; i++) {
		const struct descriptor_extent *e = &a->missing[i];
		const struct map_step *m = covering(a, &hint, e->start);
		uint64_t at = e->start, asked = e->start, end = e->start + e->pages * PAGE_BYTES;

		if (m != open) {
			if (open && !is_writable(open))
				protect(a, open, (int)open->prot);
			if (!is_writable(m))
				protect(a, m, PROT_READ | PROT_WRITE);
			open = m;
		}
		while (at < end) {
			struct wire_frame f;

			while (wire_ask(&f, &asked, at, end, PAGE_BYTES)) {
				long n = sys(SYS_sendto, a->socket_fd, &f, sizeof(f), MSG_NOSIGNAL,
					     0, 0);

				if (n != (long)sizeof(f))
					restore_fail(a, RESTORE_FETCH, n < 0 ? n : -EPIPE,
						     f.address);
			}
			receive(a, &f, sizeof(f), at);
			uint64_t bytes = f.pages * PAGE_BYTES;

			if (!wire_fits(&f, at, end, PAGE_BYTES))
				restore_fail(a, RESTORE_FETCH, -EPROTO, at);
			if (f.type == WIRE_DATA)
				receive(a, (void *)at, bytes, at);
			at += bytes;
		}
	}
	if (open && !is_writable(open))
		protect(a, open, (int)open->prot);
}

#endif
