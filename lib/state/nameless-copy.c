// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * nameless-copy.c - the parent's files without a name are copied, each into a file of the shadow's,
 * while it stands still.
 */
#include "state/state.h"

#ifdef IN_SHADOW

#include "state/files/kind.h"
#include "state/nameless.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <linux/sysinfo.h>
#include <sys/mman.h>
#include <unistd.h>

#define DISK_SHARE	16u
/* Memory without a descriptor is looked through: for 10 ms or so for each GiB. */
#define LOOK_MAX	(8ULL << 30)

/* Of files of a disk less, which may have to be read from there first. */
static bool may_copy(struct snapshot *s, struct descriptor_nameless *n, uint64_t bytes)
{
	bool is_memory = s->copies[n - s->nameless].is_memory;
	uint64_t *copied = is_memory ? &s->copied_bytes : &s->copied_disk_bytes;

	if (bytes > (is_memory ? s->args.copy_bytes : s->args.copy_bytes / DISK_SHARE) - *copied) {
		n->flags |= NAMELESS_LARGE;
		return false;
	}
	*copied += bytes;
	return true;
}

static bool copy_piece(struct snapshot *s, int from, int to, uint64_t at, uint64_t end)
{
	while (at < end) {
		uint64_t bytes = end - at < SCRATCH_BYTES ? end - at : SCRATCH_BYTES;
		long n = sys(SYS_pread64, from, s->scratch, bytes, at);

		if (n <= 0 || sys(SYS_pwrite64, to, s->scratch, n, at) != n)
			return false;
		at += (uint64_t)n;
	}
	return true;
}

/* from: a description of our own, since the parent's position is not ours to move. */
static bool copy_open(struct snapshot *s, struct descriptor_nameless *n, int from, int to)
{
	for (uint64_t at = 0; at < n->size;) {
		long data = sys(SYS_lseek, from, at, SEEK_DATA), end;

		if (data == -ENXIO)
			return true;
		if (data < 0)
			data = (long)at;
		end = sys(SYS_lseek, from, data, SEEK_HOLE);
		if (end <= data || (uint64_t)end > n->size)
			end = (long)n->size;
		if (!may_copy(s, n, (uint64_t)(end - data)) ||
		    !copy_piece(s, from, to, (uint64_t)data, (uint64_t)end))
			return false;
		at = (uint64_t)end;
	}
	return true;
}

/* As far as the file goes that is mapped there. */
static bool copy_mapped(struct snapshot *s, struct descriptor_nameless *n, int to, uint64_t start,
			uint64_t bytes, uint64_t offset)
{
	if (!may_copy(s, n, bytes))
		return false;
	while (bytes) {
		long done = sys(SYS_pwrite64, to, start, bytes, offset);

		if (done <= 0)
			return done == -EFAULT;
		start += (uint64_t)done;
		offset += (uint64_t)done;
		bytes -= (uint64_t)done;
		if (n->size < offset)
			n->size = offset;
	}
	return true;
}

/*
 * Those pages alone that are there: reading what is not would make it, and who fills the parent's
 * memory on demand would not be asked for it any more.
 */
static bool copy_resident(struct snapshot *s, struct descriptor_nameless *n,
			  const struct descriptor_vma *v, int to)
{
	uint8_t *resident = (void *)s->scratch;

	if (v->end - v->start > LOOK_MAX - s->looked_bytes) {
		n->flags |= NAMELESS_LARGE;
		return false;
	}
	s->looked_bytes += v->end - v->start;
	for (uint64_t at = v->start; at < v->end;) {
		uint64_t pages = (v->end - at) / PAGE_BYTES;

		if (pages > SCRATCH_BYTES)
			pages = SCRATCH_BYTES;
		if (sys(SYS_mincore, at, pages * PAGE_BYTES, resident) < 0)
			return false;
		for (uint64_t i = 0, run; i < pages; i += run) {
			uint64_t from = at + i * PAGE_BYTES;

			for (run = 1;
			     i + run < pages && (resident[i] & 1) == (resident[i + run] & 1);)
				run++;
			if (resident[i] & 1 && !copy_mapped(s, n, to, from, run * PAGE_BYTES,
							    v->offset + (from - v->start)))
				return false;
		}
		at += pages * PAGE_BYTES;
	}
	return true;
}

/* Is some of it neither there nor nothing? mincore(2) cannot tell. */
static bool is_swapped(struct snapshot *s, uint32_t index)
{
	struct line_reader r = { .buffer = s->scratch, .capacity = SCRATCH_BYTES };
	bool ours = false, swapped = false;
	struct sysinfo host;
	const char *p;

	if (!sys(SYS_sysinfo, &host) && host.totalswap == host.freeswap)
		return false;
	r.fd = (int)sys(SYS_openat, AT_FDCWD, "/proc/self/smaps", O_RDONLY | O_CLOEXEC);
	if (r.fd < 0)
		return true;
	while (!swapped && (p = next_line(&r))) {
		if (*p < 'A' || *p > 'Z') {
			uint64_t start = text_number(&p, 16);

			ours = false;
			for (uint32_t i = 0; i < s->n.vmas; i++)
				ours |= s->vmas[i].start == start && s->vmas[i].mapped == index;
		} else if (ours && text_begins(p, "Swap:")) {
			for (p += text_length("Swap:"); *p == ' '; p++)
				;
			swapped = text_number(&p, 10);
		}
	}
	swapped |= r.failed;
	sys(SYS_close, r.fd);
	return swapped;
}

/* Another mapping of the same part has been copied. */
static bool is_done(const struct snapshot *s, uint32_t area)
{
	const struct descriptor_vma *v = &s->vmas[area];

	for (uint32_t i = 0; i < area; i++) {
		const struct descriptor_vma *w = &s->vmas[i];

		if (w->mapped == v->mapped && w->offset <= v->offset &&
		    w->offset + (w->end - w->start) >= v->offset + (v->end - v->start))
			return true;
	}
	return false;
}

/* By what is mapped of it, where there is nothing to be opened. */
static bool copy_areas(struct snapshot *s, uint32_t index, int to)
{
	struct descriptor_nameless *n = &s->nameless[index];
	bool is_memory = s->copies[index].is_memory, done = true;

	if (is_memory && is_swapped(s, index))
		return false;
	for (uint32_t i = 0; i < s->n.vmas && done; i++) {
		const struct descriptor_vma *v = &s->vmas[i];
		uint64_t bytes = v->end - v->start;

		if (v->mapped != index)
			continue;
		/* How far it goes is not known; another file ends where nothing can be read. */
		if (is_memory && n->size < v->offset + bytes)
			n->size = v->offset + bytes;
		if (is_done(s, i))
			continue;
		if (!(v->prot & PROT_READ) &&
		    sys(SYS_mprotect, v->start, bytes, v->prot | PROT_READ) < 0)
			return false;
		done = is_memory ? copy_resident(s, n, v, to)
				 : copy_mapped(s, n, to, v->start, bytes, v->offset);
		if (!(v->prot & PROT_READ))
			sys(SYS_mprotect, v->start, bytes, v->prot);
	}
	return done;
}

static char *append_hex(char *to, uint64_t n)
{
	int shift = 60;

	while (shift && !(n >> shift))
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		*to++ = "0123456789abcdef"[n >> shift & 15];
	return to;
}

/*
 * A description of our own, by a descriptor, or by a mapping if we are privileged enough; or
 * -errno. To open what the parent has a lease of would break it: a signal, which may end it.
 */
static int open_again(const struct snapshot *s, uint32_t index)
{
	char name[80], *end;

	if (s->copies[index].is_leased)
		return -EBUSY;
	if (s->copies[index].source >= 0) {
		*text_append_number(text_append(name, "/proc/self/fd/"),
				    (uint64_t)s->copies[index].source) = '\0';
		return (int)sys(SYS_openat, AT_FDCWD, name, O_RDONLY | O_CLOEXEC);
	}
	for (uint32_t i = 0; i < s->n.vmas; i++) {
		if (s->vmas[i].mapped != index)
			continue;
		end = append_hex(text_append(name, "/proc/self/map_files/"), s->vmas[i].start);
		*end++ = '-';
		*append_hex(end, s->vmas[i].end) = '\0';
		return (int)sys(SYS_openat, AT_FDCWD, name, O_RDONLY | O_CLOEXEC);
	}
	return -ENOENT;
}

static void copy(struct snapshot *s, uint32_t index)
{
	struct descriptor_nameless *n = &s->nameless[index];
	int to = (int)sys(SYS_memfd_create, "mitosis-copy", MFD_CLOEXEC), from;
	bool done = false, has_from;
	struct stat st;

	if (to < 0)
		return;
	from = open_again(s, index);
	has_from = from >= 0 && !sys(SYS_fstat, from, &st);
	if (has_from && st.st_nlink) {
		/* By another name anybody has it. */
		n->flags |= NAMELESS_ELSEWHERE;
	} else if (has_from) {
		n->size = (uint64_t)st.st_size;
		n->mode = st.st_mode & 07777;
		done = copy_open(s, n, from, to);
	} else if (s->copies[index].source < 0) {
		done = copy_areas(s, index, to);
	}
	if (from >= 0)
		sys(SYS_close, from);
	if (done && sys(SYS_ftruncate, to, n->size) >= 0) {
		n->flags |= NAMELESS_HELD;
		s->copies[index].fd = to;
	} else {
		sys(SYS_close, to);
	}
}

/*
 * The copies are charged to the parent's memory cgroup, and where that is full now: the kernel
 * shall end the shadow, not the parent. What is put back is part of the snapshot, and read later.
 */
static void write_oom_score(const char *value, long bytes)
{
	long fd = sys(SYS_openat, AT_FDCWD, "/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	sys(SYS_write, fd, value, bytes);
	sys(SYS_close, fd);
}

void nameless_copy(struct snapshot *s)
{
	int32_t *held = s->args.held_fd;
	const char byte = 1;
	char score[16];
	long score_bytes;
	struct stat st;
	long probe;

	if (held[1] < 0)
		return;
	/* A write fails then if nobody waits any more. */
	if (held[0] >= 0)
		sys(SYS_close, held[0]);
	s->n.strings = 1;
	score_bytes = read_whole("/proc/self/oom_score_adj", score, sizeof(score));
	if (score_bytes > 0)
		write_oom_score("1000", 4);
	probe = sys(SYS_memfd_create, "mitosis-copy", MFD_CLOEXEC);
	if (probe >= 0 && !sys(SYS_fstat, probe, &st)) {
		sys(SYS_close, probe);
		nameless_list_open(s);
		nameless_list_mapped(s, nameless_device(&st));
	}
	for (uint32_t i = 0; i < s->n.nameless; i++)
		copy(s, i);
	if (score_bytes > 0)
		write_oom_score(score, score_bytes);
	s->n.vmas = 0;
	urings_note(s);
	if (sys(SYS_write, held[1], &byte, 1) != 1) {
		s->is_unowned |= s->has_owned;
		for (uint32_t i = 0; i < s->n.nameless; i++)
			s->nameless[i].flags &= ~(uint32_t)NAMELESS_HELD;
		urings_forget(s);
	}
	sys(SYS_close, held[1]);
}

#endif
