// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* nameless-find.c - which files without a name the parent has, open or mapped. */
#include "state/state.h"

#ifdef IN_SHADOW

#include "pie/numbers.h"
#include "state/nameless.h"

#include <errno.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/statfs.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23	/* Linux 5.14 */
#endif

/* "START-END rwxp OFFSET MAJOR:MINOR INODE   NAME" */
void nameless_parse(const char *p, struct nameless_line *l)
{
	uint64_t major;

	l->start = text_number(&p, 16);
	p++;
	l->end = text_number(&p, 16);
	p++;
	l->prot = (p[0] == 'r' ? PROT_READ : 0) | (p[1] == 'w' ? PROT_WRITE : 0) |
		  (p[2] == 'x' ? PROT_EXEC : 0);
	l->is_shared = p[3] == 's';
	p += 5;
	l->offset = text_number(&p, 16);
	p++;
	major = text_number(&p, 16);
	p++;
	l->device = major << 32 | text_number(&p, 16);
	p++;
	l->inode = text_number(&p, 10);
	while (*p == ' ')
		p++;
	l->name = p;
}

uint64_t nameless_device(const struct stat *st)
{
	uint64_t major = st->st_dev >> 8 & 0xfff,
		 minor = (st->st_dev & 0xff) | (st->st_dev >> 12 & 0xfff00);

	return major << 32 | minor;
}

static bool text_ends(const char *text, const char *with)
{
	size_t n = text_length(text), m = text_length(with);

	return n >= m && text_is(text + n - m, with);
}

/* Not those of memfd_secret(2), of asynchronous I/O and of huge pages. */
bool nameless_is_candidate(const char *name)
{
	return name[0] == '/' && name[1] != '[' && text_ends(name, " (deleted)") &&
	       !text_begins(name, "/secretmem") && !text_begins(name, "/anon_hugepage") &&
	       !text_begins(name, "/dmabuf:");
}

static void note_open(struct snapshot *s, int fd)
{
	char link[40];
	struct statfs fs;
	struct stat st;
	long n, seals;
	int at;

	if (sys(SYS_fstat, fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink ||
	    sys(SYS_fstatfs, fd, &fs) < 0 || fs.f_type == HUGETLBFS_MAGIC)
		return;
	*text_append_number(text_append(link, "/proc/self/fd/"), (uint64_t)fd) = '\0';
	n = sys(SYS_readlinkat, AT_FDCWD, link, s->scratch2, 4096);
	if (n <= 0)
		return;
	s->scratch2[n] = '\0';
	if (!nameless_is_candidate(s->scratch2))
		return;
	at = nameless_find(s, nameless_device(&st), st.st_ino, s->scratch2);
	if (at < 0)
		at = nameless_add(s, nameless_device(&st), st.st_ino, s->scratch2);
	if (at < 0)
		return;
	s->nameless[at].device = st.st_dev;
	s->nameless[at].mode = st.st_mode & 07777;
	s->nameless[at].size = (uint64_t)st.st_size;
	seals = sys(SYS_fcntl, fd, F_GET_SEALS);
	s->nameless[at].seals = seals < 0 ? F_SEAL_SEAL : (uint32_t)seals;
	s->copies[at].source = fd;
	s->copies[at].is_memory = fs.f_type == TMPFS_MAGIC;
	s->copies[at].is_leased |= sys(SYS_fcntl, fd, F_GETLEASE) == F_WRLCK;
}

void nameless_list_open(struct snapshot *s)
{
	struct numbers list;
	int fd;

	if (numbers_open(&list, "/proc/self/fd"))
		return;
	while ((fd = numbers_next(&list)) >= 0)
		note_open(s, fd);
	numbers_close(&list);
}

/*
 * A private mapping shows what is in the file now, but for the pages that were written to: these
 * are the copy's own, and so become all. Of a file that nobody can write to they stay what they
 * are; where else they cannot be made its own, there is no snapshot.
 */
static void own_private(struct snapshot *s, const struct nameless_line *l)
{
	int at = nameless_find(s, l->device, l->inode, l->name);
	uint64_t bytes = l->end - l->start;
	long err;

	if (at >= 0 && s->nameless[at].seals & F_SEAL_WRITE)
		return;
	s->has_owned = true;
	if (bytes > s->args.copy_bytes - s->copied_bytes ||
	    sys(SYS_mprotect, l->start, bytes, l->prot | PROT_READ | PROT_WRITE) < 0) {
		s->is_unowned = true;
		return;
	}
	/* Behind its end there are none. */
	err = sys(SYS_madvise, l->start, bytes, MADV_POPULATE_WRITE);
	s->is_unowned |= err < 0 && err != -EFAULT;
	s->copied_bytes += bytes;
	sys(SYS_mprotect, l->start, bytes, l->prot);
}

void nameless_list_mapped(struct snapshot *s, uint64_t memory)
{
	struct line_reader r = { .buffer = s->scratch, .capacity = SCRATCH_BYTES };
	const char *p;

	r.fd = (int)sys(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC);
	while (r.fd >= 0 && (p = next_line(&r))) {
		struct stat st;
		struct nameless_line l;
		int at;

		nameless_parse(p, &l);
		if (!nameless_is_candidate(l.name) || l.end > USER_END ||
		    (l.start >= s->arena && l.end <= s->arena + s->arena_length) ||
		    (l.start >= s->args.luggage &&
		     l.end <= s->args.luggage + s->args.luggage_bytes) ||
		    (l.start == s->args.capture.room && l.end - l.start == CAPTURE_ROOM))
			continue;
		/* A name that ends like that. */
		if (!sys(SYS_newfstatat, AT_FDCWD, l.name, &st, 0) && st.st_ino == l.inode)
			continue;
		/* Huge pages, and memory of devices. */
		if (sys(SYS_madvise, l.start, PAGE_BYTES, MADV_COLD) == -EINVAL)
			continue;
		if (!l.is_shared) {
			if (l.device == memory || text_begins(l.name, "/dev/shm/"))
				own_private(s, &l);
			continue;
		}
		at = nameless_find(s, l.device, l.inode, l.name);
		if (at < 0) {
			at = nameless_add(s, l.device, l.inode, l.name);
			if (at < 0)
				continue;
			s->copies[at].is_memory =
				l.device == memory || text_begins(l.name, "/dev/shm/");
		}
		s->copies[at].device = l.device;
		if (s->n.vmas == ARRAY_SIZE(s->vmas))
			break;
		s->vmas[s->n.vmas++] = (struct descriptor_vma){
			.start = l.start,
			.end = l.end,
			.offset = l.offset,
			.prot = l.prot,
			.mapped = (uint32_t)at,
		};
	}
	if (r.fd >= 0)
		sys(SYS_close, r.fd);
}

#endif
