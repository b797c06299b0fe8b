// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * files.c - open files: descriptors are numbers, and several may point at one open file description, which
 * has the position. Descriptors 0 to 2 are the child's own.
 */
#include "state/files/files.h"
#include "state/files/kind.h"

#ifdef IN_SHADOW

#include "shadow/read.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>

struct dirent64 {
	uint64_t inode;
	int64_t offset;
	uint16_t length;
	uint8_t type;
	char name[];
};

static uint32_t kind_of(const struct descriptor_file *f, const char *path)
{
#define KIND(number, name) \
	if (name##_is(f, path)) \
		return number;
	DESCRIPTOR_FILE_KINDS(KIND)
#undef KIND
	return FILE_OTHER;
}

static uint64_t position_of(const struct capture *c, uint32_t fd)
{
	uint32_t low = 0, high = c->position_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (c->positions[middle].fd < fd)
			low = middle + 1;
		else
			high = middle;
	}
	return low < c->position_count && c->positions[low].fd == fd ? c->positions[low].position : 0;
}

/*
 * The descriptor's file is that of one seen before? kcmp(2) gives all open file descriptions an order:
 * by_kcmp has one descriptor of each, sorted. *at is where a new one goes.
 */
static bool find_same(struct snapshot *s, uint32_t fd, uint32_t *at)
{
	uint32_t low = 0, high = s->n.files;
	long self = sys(SYS_getpid);

	while (low < high && !(s->header.process_flags & PROCESS_FILES_UNCOMPARED)) {
		uint32_t middle = low + (high - low) / 2;
		long order = sys(SYS_kcmp, self, self, KCMP_FILE, fd, s->by_kcmp[middle].fd);

		if (order == 0) {
			*at = middle;
			return true;
		}
		if (order < 0)		/* not in this kernel, or forbidden */
			s->header.process_flags |= PROCESS_FILES_UNCOMPARED;
		else if (order == 1)
			high = middle;
		else
			low = middle + 1;
	}
	*at = low;
	return false;
}

static void read_fdinfo(struct snapshot *s, uint32_t fd, uint32_t *open_flags)
{
	char name[40];
	long n;

	*text_append_number(text_append(name, "/proc/self/fdinfo/"), fd) = '\0';
	n = read_whole(name, s->scratch2, 4096 - 1);
	s->scratch2[n < 0 ? 0 : n] = '\0';
	for (const char *p = s->scratch2; *p; p++) {
		if (!text_begins(p, "flags:\t"))
			continue;
		p += 7;
		*open_flags = (uint32_t)text_number(&p, 8);
		return;
	}
}

static const char *read_fd(struct snapshot *s, uint32_t fd)
{
	static const char unreadable[] = "an open descriptor cannot be examined on the parent's host";
	struct descriptor_fd *number = &s->fds[s->n.fds];
	uint32_t flags = ~0U, at;
	struct stat st;
	char name[40];
	long n;

	if (s->n.fds == ARRAY_SIZE(s->fds) || s->n.files == ARRAY_SIZE(s->files))
		return "too many open descriptors";
	read_fdinfo(s, fd, &flags);
	if (flags == ~0U)
		return unreadable;
	*number = (struct descriptor_fd){ .fd = fd, .flags = flags & O_CLOEXEC ? FD_CLOEXEC : 0 };
	s->n.fds++;
	if (find_same(s, fd, &at)) {
		number->file = s->by_kcmp[at].file;
		return NULL;
	}
	*text_append_number(text_append(name, "/proc/self/fd/"), fd) = '\0';
	n = sys(SYS_readlinkat, AT_FDCWD, name, s->scratch2, 4096);
	if (n < 0 || sys(SYS_fstat, fd, &st) < 0)
		return unreadable;
	s->scratch2[n] = '\0';
	struct descriptor_file *f = &s->files[s->n.files];

	*f = (struct descriptor_file){
		.open_flags = flags & ~(uint32_t)O_CLOEXEC, .position = position_of(&s->args.capture, fd),
		.path = add_string(s, s->scratch2), .mode = st.st_mode, .size = (uint64_t)st.st_size,
		.mtime_ns = mtime_of(&st), .device = st.st_dev, .inode = st.st_ino,
	};
	if (!f->path)
		return "the names of open files are too long";
	f->kind = kind_of(f, s->scratch2);
	for (uint32_t i = s->n.files; i > at; i--)
		s->by_kcmp[i] = s->by_kcmp[i - 1];
	s->by_kcmp[at].fd = fd;
	s->by_kcmp[at].file = s->n.files;
	number->file = s->n.files++;
	return NULL;
}

static bool is_own(const struct snapshot *s, uint32_t fd)
{
	return (int)fd == s->args.listen_fd || (int)fd == s->args.control_fd || (int)fd == s->args.device_fd;
}

static const char *read_all(struct snapshot *s)
{
	static const char unreadable[] = "cannot read /proc/self/fd on the parent's host";
	long dir = sys(SYS_openat, AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return unreadable;
	for (;;) {
		long n = sys(SYS_getdents64, dir, s->scratch, SCRATCH_BYTES);

		if (n < 0)
			return unreadable;
		if (!n)
			return NULL;
		for (long at = 0; at < n;) {
			const struct dirent64 *e = (void *)(s->scratch + at);
			const char *digits = e->name, *why = NULL;

			at += e->length;
			if (*digits < '0' || *digits > '9')
				continue;
			uint32_t fd = (uint32_t)text_number(&digits, 10);

			if ((long)fd != dir && !is_own(s, fd))
				why = read_fd(s, fd);
			if (why)
				return why;
		}
	}
}

/* From here on only the listener is open, as descriptor 0, and /dev/mitosis as 1. */
static const char *close_all(struct snapshot *s)
{
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
	if (sys(SYS_close_range, s->args.device_fd < 0 ? 1 : 2, ~0U, 0) < 0)
		return "cannot close what the snapshot inherited (close_range)";
	return NULL;
}

const char *files_read(struct snapshot *s)
{
	const char *why = read_all(s), *also = close_all(s);

	return why ? why : also;
}

#endif
#ifdef IN_LIBRARY

#include "api/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *files_check(const struct descriptor *d)
{
	const struct descriptor_file *files = descriptor_at(d, d->files);
	const struct descriptor_fd *fds = descriptor_at(d, d->fds);

	for (uint32_t i = 0; i < d->files.count; i++)
		if (files[i].kind >= FILE_KINDS || !descriptor_has_string(d, files[i].path) ||
		    files[i].position > INT64_MAX ||
		    !descriptor_has_payload(d, files[i].payload, files[i].payload_bytes))
			return "an open file is malformed";
	/* One more than the highest is computed. */
	for (uint32_t i = 0; i < d->fds.count; i++)
		if (fds[i].fd >= INT32_MAX || fds[i].file >= d->files.count || fds[i].flags & ~(uint32_t)FD_CLOEXEC ||
		    fds[i].reserved || (i && fds[i].fd <= fds[i - 1].fd))
			return "a descriptor of an open file is malformed";
	return NULL;
}

int file_move_up(int fd, int base)
{
	int high = fcntl(fd, F_DUPFD_CLOEXEC, base);

	if (high >= 0)
		return high;
	return errno == EINVAL ? -EMFILE : -errno;	/* above the limit */
}

bool file_has_identity(const struct descriptor_file *f, const struct stat *st)
{
	return st->st_dev == f->device && st->st_ino == f->inode;
}

/* The path came with the descriptor: a fifo that is there must not stop us, nor a terminal become ours. */
int file_reopen(const struct descriptor *d, const struct descriptor_file *f)
{
	const int not_again = O_CREAT | O_EXCL | O_TRUNC | O_NOFOLLOW | (O_TMPFILE & ~O_DIRECTORY);
	int flags = (int)f->open_flags & ~not_again;
	int fd = open(descriptor_string(d, f->path), flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return errno == EMFILE || errno == ENFILE ? -errno : -ENOENT;
	if (!(flags & (O_NONBLOCK | O_PATH)) && fcntl(fd, F_SETFL, flags)) {
		close(fd);
		return -ENOENT;
	}
	return fd;
}

static int open_by_kind(const struct descriptor *d, const struct descriptor_file *f, bool same_host)
{
	switch (f->kind) {
#define KIND(number, name) case number: return name##_open(d, f, same_host);
	DESCRIPTOR_FILE_KINDS(KIND)
#undef KIND
	}
	return -ENOENT;
}

/*
 * A number that is taken and of no use: whatever is done with it says EBADF, so that nothing meant for what
 * was there goes elsewhere, and the next open(2) does not get the number.
 */
static int open_tombstone(void)
{
	int fd = open("/dev/null", O_PATH | O_CLOEXEC);

	return fd >= 0 ? fd : open("/", O_PATH | O_CLOEXEC);
}

static int keep(int fd, int *fd_next)
{
	int high = file_move_up(fd, *fd_next);

	close(fd);
	if (high >= 0)
		*fd_next = high + 1;
	return high;
}

/* The numbers that point to a file above 2, "5, 7", or "" if there are none. */
static void numbers_of(const struct descriptor *d, uint32_t file, char text[64])
{
	const struct descriptor_fd *fds = descriptor_at(d, d->fds);
	size_t used = 0;

	text[0] = '\0';
	for (uint32_t i = 0; i < d->fds.count; i++) {
		if (fds[i].file != file || fds[i].fd < 3)
			continue;
		if (used > 40) {
			strcpy(text + used, ", ...");
			return;
		}
		used += (size_t)sprintf(text + used, "%s%u", used ? ", " : "", fds[i].fd);
	}
}

int files_open(const struct descriptor *d, const char *object, int *fd_next, int **opened, struct losses *losses)
{
	const struct descriptor_file *files = descriptor_at(d, d->files);
	bool same_host = host_is_parents(d);
	int tombstone = -1;

	*opened = calloc(d->files.count + 1, sizeof(**opened));
	if (!*opened)
		return -ENOMEM;
	for (uint32_t i = 0; i < d->files.count; i++) {
		const char *path = descriptor_string(d, files[i].path);
		char numbers[64];
		int fd;

		numbers_of(d, i, numbers);
		(*opened)[i] = -1;
		if (!*numbers)
			continue;
		fd = open_by_kind(d, &files[i], same_host);
		if (fd == -ENOENT) {
			losses_add(losses, "descriptor %s is closed (%s)", numbers, path);
			if (tombstone < 0) {
				fd = open_tombstone();
				tombstone = fd < 0 ? -errno : keep(fd, fd_next);
			}
			fd = tombstone;
		} else if (fd >= 0) {
			fd = keep(fd, fd_next);
		}
		if (fd < 0) {
			log_error("%s: %s: %s", object, path, strerror(-fd));
			return fd;
		}
		(*opened)[i] = fd;
	}
	if (d->process_flags & PROCESS_FILES_UNCOMPARED)
		losses_add(losses, "descriptors that shared an open file do not (no kcmp(2) on the parent's host)");
	return 0;
}

int files_place(const struct descriptor *d, const int *opened)
{
	const struct descriptor_fd *fds = descriptor_at(d, d->fds);

	for (uint32_t i = 0; i < d->fds.count; i++)
		if (fds[i].fd > 2 &&
		    dup3(opened[fds[i].file], (int)fds[i].fd, fds[i].flags & FD_CLOEXEC ? O_CLOEXEC : 0) < 0)
			return -errno;
	return 0;
}

#endif
