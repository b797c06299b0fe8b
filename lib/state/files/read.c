// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * read.c - the open files of a snapshot: which numbers there are, which of them point at one open
 * file description, and what each of these is.
 */
#include "state/files/kind.h"

#ifdef IN_SHADOW

#include "capture/fdinfo.h"
#include "pie/numbers.h"
#include "shadow/read.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>

bool file_set_payload(struct snapshot *s, struct descriptor_file *f, const void *data,
		      uint32_t bytes)
{
	f->payload_bytes = bytes;
	return !bytes || add_payload(s, data, bytes, &f->payload);
}

static bool is_read(struct snapshot *s, struct descriptor_file *f, bool read)
{
	if (!read)
		f->payload = f->payload_bytes = 0;
	return read;
}

/* Its name is a string by now: to read what a kind has takes the room for names. */
static uint32_t read_by_kind(struct snapshot *s, struct descriptor_file *f, uint32_t fd,
			     const char *fdinfo)
{
#define KIND(number, name) \
	if (name##_is(f, s->strings + f->path) && is_read(s, f, name##_read(s, f, fd, fdinfo))) \
		return number;
	DESCRIPTOR_FILE_KINDS(KIND)
#undef KIND
	return FILE_OTHER;
}

static const struct capture_position *noted(const struct capture *c, uint32_t fd)
{
	uint32_t low = 0, high = c->position_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (c->positions[middle].fd < fd)
			low = middle + 1;
		else
			high = middle;
	}
	return low < c->position_count && c->positions[low].fd == fd ? &c->positions[low] : NULL;
}

static bool comes_after(struct snapshot *s, long self, uint32_t a, uint32_t b)
{
	long order = sys(SYS_kcmp, self, self, KCMP_FILE, s->fds[a].fd, s->fds[b].fd);

	if (order < 0)		/* not in this kernel, or forbidden */
		s->header.process_flags |= PROCESS_FILES_UNCOMPARED;
	return order == 2;
}

/*
 * kcmp(2) gives all open file descriptions an order. Afterwards .file of each number is the index
 * of the first number with the same one; without kcmp(2) its own.
 */
static void find_same(struct snapshot *s)
{
	uint32_t *from = s->order[0], *to = s->order[1], count = s->n.fds;
	long self = sys(SYS_getpid);

	for (uint32_t i = 0; i < count; i++)
		from[i] = s->fds[i].file = i;
	for (uint32_t run = 1; run < count && !(s->header.process_flags & PROCESS_FILES_UNCOMPARED);
	     run *= 2) {
		for (uint32_t start = 0; start < count; start += 2 * run) {
			uint32_t a = start, a_end = count - start < run ? count : start + run;
			uint32_t b = a_end, b_end = count - b < run ? count : b + run, at = start;

			while (a < a_end || b < b_end)
				to[at++] = b == b_end || (a < a_end &&
							  !comes_after(s, self, from[a], from[b]))
						   ? from[a++]
						   : from[b++];
		}
		uint32_t *sorted = to;

		to = from;
		from = sorted;
	}
	/* Equal ones are in the order in which they were. */
	for (uint32_t i = 1; i < count && !(s->header.process_flags & PROCESS_FILES_UNCOMPARED);
	     i++)
		if (!comes_after(s, self, from[i], from[i - 1]))
			s->fds[from[i]].file = s->fds[from[i - 1]].file;
}

/* Its lines, in scratch2. */
static void read_fdinfo(struct snapshot *s, uint32_t fd)
{
	char name[40];
	long n;

	*text_append_number(text_append(name, "/proc/self/fdinfo/"), fd) = '\0';
	n = read_whole(name, s->scratch2, SCRATCH_BYTES - 1);
	s->scratch2[n < 0 ? 0 : n] = '\0';
}

static uint32_t flags_of(const char *fdinfo)
{
	for (const char *p = fdinfo; *p; p++) {
		if (!text_begins(p, "flags:\t"))
			continue;
		p += 7;
		return (uint32_t)text_number(&p, 8);
	}
	return ~0U;
}

/* To whom SIGIO goes, or the signal in its place: that it is the parent is its own number here. */
static void read_owner(const struct snapshot *s, uint32_t fd, struct descriptor_file *f)
{
	struct f_owner_ex owner = { 0 };
	long signal = sys(SYS_fcntl, fd, F_GETSIG, 0);

	if (sys(SYS_fcntl, fd, F_GETOWN_EX, &owner) < 0)
		return;
	f->owner = !owner.pid							   ? OWNER_NONE
		   : owner.pid == s->args.parent_pid && owner.type != F_OWNER_PGRP ? OWNER_SELF
										   : OWNER_OTHER;
	f->signal = signal > 0 ? (uint32_t)signal : 0;
}

static const char unreadable[] = "an open descriptor cannot be examined on the parent's host";

static const char *read_file(struct snapshot *s, uint32_t fd)
{
	struct descriptor_file *f = &s->files[s->n.files];
	const struct capture_position *known = noted(&s->args.capture, fd);
	struct stat st;
	char name[40];
	long n;

	if (s->n.files == ARRAY_SIZE(s->files))
		return "too many open descriptors";
	if (sys(SYS_fstat, fd, &st) < 0)
		return unreadable;
	read_fdinfo(s, fd);
	*f = (struct descriptor_file){
		.open_flags = flags_of(s->scratch2) & ~(uint32_t)O_CLOEXEC,
		.position = known ? known->position : 0,
		.mode = st.st_mode,
		.size = (uint64_t)st.st_size,
		.mtime_ns = mtime_of(&st),
		.device = st.st_dev,
		.inode = st.st_ino,
		.locks = known ? known->locks : fdinfo_locks(s->scratch2),
	};
	/* Of what has no position nobody has noted them. */
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		f->locks |= fdinfo_locks(s->scratch2);
	/* Who shares descriptors with the parent may have opened it since it noted its own. */
	if (!known && sys(SYS_lseek, fd, 0, SEEK_CUR) >= 0)
		f->flags |= FILE_LATE;
	s->has_leases |= f->locks & LOCK_LEASE_WRITE;
	*text_append_number(text_append(name, "/proc/self/fd/"), fd) = '\0';
	n = sys(SYS_readlinkat, AT_FDCWD, name, s->scratch2, 4096);
	if (n < 0)
		return unreadable;
	s->scratch2[n] = '\0';
	f->path = add_string(s, s->scratch2);
	if (!f->path)
		return "the names of open files are too long";
	read_owner(s, fd, f);
	f->kind = read_by_kind(s, f, fd, known && known->text != CAPTURE_TEXT_LOST ?
				       s->args.capture.texts + known->text : NULL);
	s->n.files++;
	return NULL;
}

static const char *read_files(struct snapshot *s)
{
	const char *why = NULL;

	find_same(s);
	for (uint32_t i = 0; i < s->n.fds && !why; i++) {
		uint32_t first = s->fds[i].file;

		s->fds[i].file = first == i ? s->n.files : s->fds[first].file;
		if (first == i)
			why = read_file(s, s->fds[i].fd);
	}
	if (!why)
		files_find_elsewhere(s);
	return why;
}

static const char *read_fd(struct snapshot *s, uint32_t fd)
{
	uint32_t flags;

	if (s->n.fds == ARRAY_SIZE(s->fds))
		return "too many open descriptors";
	read_fdinfo(s, fd);
	flags = flags_of(s->scratch2);
	if (flags == ~0U)
		return unreadable;
	s->fds[s->n.fds++] = (struct descriptor_fd){ .fd = fd,
						     .flags = flags & O_CLOEXEC ? FD_CLOEXEC : 0 };
	return NULL;
}

bool files_lease(const struct snapshot *s, uint64_t device, uint64_t inode)
{
	for (uint32_t i = 0; s->has_leases && i < s->n.files; i++)
		if (s->files[i].locks & LOCK_LEASE_WRITE && s->files[i].device == device &&
		    s->files[i].inode == inode)
			return true;
	return false;
}

static bool is_own(const struct snapshot *s, uint32_t fd)
{
	const struct capture *c = &s->args.capture;

	for (uint32_t i = 0; i < c->pipe_count; i++)
		if ((int)fd == c->pipes[i].copy_fd)
			return true;
	return (int)fd == s->args.listen_fd || (int)fd == s->args.control_fd ||
	       (int)fd == s->args.device_fd || (int)fd == s->args.parent_fd ||
	       (int)fd == s->args.outcome_fd || (int)fd == s->args.capture.uffd;
}

static const char *list_fds(struct snapshot *s)
{
	static const char no_list[] = "cannot read /proc/self/fd on the parent's host";
	const char *why = NULL;
	struct numbers list;
	int fd;

	if (numbers_open(&list, "/proc/self/fd"))
		return no_list;
	while (!why && (fd = numbers_next(&list)) >= 0)
		if (fd != list.fd && !is_own(s, (uint32_t)fd))
			why = read_fd(s, (uint32_t)fd);
	if (list.err)
		why = no_list;
	numbers_close(&list);
	return why;
}

/*
 * From here on only its own are open: the listener as 0, /dev/mitosis as 1, the parent as 2, who
 * asks how it went as 3.
 */
static const char *close_all(struct snapshot *s)
{
	int32_t *own[] = { &s->args.listen_fd, &s->args.device_fd, &s->args.parent_fd,
			   &s->args.outcome_fd };

	/* First out of the way of each other. */
	for (uint32_t i = 0; i < ARRAY_SIZE(own); i++) {
		if (*own[i] < 0 || *own[i] >= (int32_t)ARRAY_SIZE(own))
			continue;
		*own[i] = (int32_t)sys(SYS_fcntl, *own[i], F_DUPFD_CLOEXEC, ARRAY_SIZE(own));
		if (*own[i] < 0)
			return "cannot keep what it needs open (RLIMIT_NOFILE)";
	}
	for (uint32_t i = 0; i < ARRAY_SIZE(own); i++) {
		if (*own[i] < 0)
			sys(SYS_close, i);
		else if (sys(SYS_dup3, *own[i], i, O_CLOEXEC) < 0)
			return "cannot keep what it needs open";
		else
			*own[i] = (int32_t)i;
	}
	if (sys(SYS_close_range, ARRAY_SIZE(own), ~0U, 0) < 0)
		return "cannot close what the snapshot inherited (close_range)";
	return NULL;
}

const char *files_read(struct snapshot *s)
{
	const char *why = list_fds(s), *also;

	if (!why)
		why = read_files(s);
	also = close_all(s);
	return why ? why : also;
}

#endif
