// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * inotify.c - who is told of what happens to files: a new one that watches the same files under
 * the same numbers. The kernel tells of a watch which file it is of, not by which name: the name is
 * found by the file's handle, for which CAP_DAC_READ_SEARCH is needed, else by looking at what the
 * process has open or mapped, and where it is, and at the directories above that.
 *
 * Numbers of watches are given in ascending order: those that were given back in the parent are
 * taken and given back here, too.
 */
#include "state/files/kind.h"

#include <sys/inotify.h>

FILE_KIND_COMPLETE(inotify)

#define WATCH_MAX	(1u << 20)	/* no higher number is counted up to */
#define WATCH_MASK	(IN_ALL_EVENTS | IN_ONESHOT | IN_EXCL_UNLINK)

struct inotify_watch {
	uint32_t number;
	uint32_t mask;
	uint32_t path;			/* string; "": it was not found */
	uint32_t mode;			/* st_mode */
	uint64_t size;
	int64_t mtime_ns;
	uint64_t device, inode;
};

/* The watches follow. */
struct inotify_state {
	uint32_t unread;		/* bytes of events */
	uint32_t reserved;
};

#ifdef IN_SHADOW

#include "capture/fdinfo.h"
#include "shadow/read.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>

#define HANDLE_MAX	128u
/* So many names at most are tried for one descriptor: some 20 ms. */
#define TRIES_MAX	20000u

struct handle {				/* struct file_handle, which has no size */
	uint32_t bytes;
	int32_t type;
	uint8_t data[HANDLE_MAX];
};

struct search {
	struct snapshot *s;
	uint64_t device, inode;		/* of what is sought, as fdinfo has them */
	struct handle handle;
	uint64_t mounted;		/* the device that .mount is of */
	int mount;			/* -1: none */
	uint32_t tries;
};

bool inotify_is(const struct descriptor_file *f, const char *path)
{
	return text_is(path, "anon_inode:inotify");
}

/* As the kernel itself numbers a device. */
static uint64_t kernel_device(uint64_t device)
{
	return (device >> 8 & 0xfff) << 20 | (device & 0xff) | (device >> 12 & 0xfff00);
}

/* "f_handle:7e9e0000640d1b6d" */
static bool read_handle(const char *line, struct handle *h)
{
	uint64_t bytes, type, digit;
	const char *p = NULL;

	if (!fdinfo_word(line, "fhandle-bytes:", 16, &bytes) ||
	    !fdinfo_word(line, "fhandle-type:", 16, &type) || !bytes || bytes > HANDLE_MAX)
		return false;
	for (const char *at = line; *at && *at != '\n' && !p; at++)
		if (fdinfo_line_begins(at, "f_handle:"))
			p = at + text_length("f_handle:");
	for (uint32_t i = 0; p && i < 2 * bytes; i++) {
		const char one[] = { p[i], '\0' };

		if (!fdinfo_parse(one, 16, &digit))
			return false;
		h->data[i / 2] = (uint8_t)(h->data[i / 2] << 4 | digit);
	}
	h->bytes = (uint32_t)bytes;
	h->type = (int32_t)type;
	return p != NULL;
}

/* Spaces and the like are written as octal numbers in mountinfo. */
static void unescape(char *p)
{
	char *to = p;

	while (*p) {
		if (p[0] == '\\' && p[1] && p[2] && p[3]) {
			*to++ = (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
			p += 4;
		} else {
			*to++ = *p++;
		}
	}
	*to = '\0';
}

/* By its handle, below what is mounted there. path: 4096 bytes. */
static bool find_below(struct search *q, int mount, char *path, struct stat *st)
{
	long fd = sys(SYS_open_by_handle_at, mount, &q->handle, O_PATH | O_CLOEXEC), n = -1;
	struct stat named;
	char link[40];

	if (fd < 0)
		return false;
	*text_append_number(text_append(link, "/proc/self/fd/"), (uint64_t)fd) = '\0';
	if (!sys(SYS_fstat, fd, st))
		n = sys(SYS_readlinkat, AT_FDCWD, link, path, 4095);
	sys(SYS_close, fd);
	if (n <= 0 || path[0] != '/')
		return false;
	path[n] = '\0';
	return !sys(SYS_newfstatat, AT_FDCWD, path, &named, AT_SYMLINK_NOFOLLOW) &&
	       named.st_ino == st->st_ino && named.st_dev == st->st_dev;
}

static bool find_by_handle(struct search *q, char *path, struct stat *st)
{
	struct line_reader r = { .buffer = q->s->scratch2, .capacity = SCRATCH_BYTES };
	bool found = q->mount >= 0 && q->mounted == q->device && find_below(q, q->mount, path, st);
	const char *p;

	if (found || !q->handle.bytes)
		return found;
	r.fd = (int)sys(SYS_openat, AT_FDCWD, "/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	/* "36 35 98:0 /root /mount/point ..." */
	while (r.fd >= 0 && !found && (p = next_line(&r))) {
		uint64_t major, minor;
		char *point, *end;
		long mount;

		for (int space = 0; *p && space < 2; p++)
			space += *p == ' ';
		major = text_number(&p, 10);
		p += *p == ':';
		minor = text_number(&p, 10);
		if ((major << 20 | minor) != q->device)
			continue;
		for (int space = 0; *p && space < 2; p++)
			space += *p == ' ';
		point = (char *)p;
		for (end = point; *end && *end != ' '; end++)
			;
		*end = '\0';
		unescape(point);
		mount = sys(SYS_openat, AT_FDCWD, point, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (mount < 0)
			continue;
		found = find_below(q, (int)mount, path, st);
		if (!found) {
			sys(SYS_close, mount);
			continue;
		}
		if (q->mount >= 0)
			sys(SYS_close, q->mount);
		q->mount = (int)mount;
		q->mounted = q->device;
	}
	if (r.fd >= 0)
		sys(SYS_close, r.fd);
	return found;
}

/* Is it this name, or a directory above? */
static bool try_name(struct search *q, const char *name, char *path, struct stat *st)
{
	size_t n = text_length(name);

	if (name[0] != '/' || n > 4000)
		return false;
	memcpy(path, name, n + 1);
	while (q->tries++ < TRIES_MAX) {
		if (!sys(SYS_newfstatat, AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW) &&
		    st->st_ino == q->inode && kernel_device(st->st_dev) == q->device)
			return true;
		if (n == 1)
			return false;
		do
			n--;
		while (path[n] != '/');
		n += !n;
		path[n] = '\0';
	}
	return false;
}

static bool find_by_name(struct search *q, char *path, struct stat *st)
{
	struct snapshot *s = q->s;
	struct line_reader r = { .buffer = s->scratch2, .capacity = SCRATCH_BYTES };
	bool found = false;
	const char *p;
	long n;

	n = sys(SYS_readlinkat, AT_FDCWD, "/proc/self/cwd", s->scratch2, 4095);
	s->scratch2[n > 0 ? n : 0] = '\0';
	if (try_name(q, s->scratch2, path, st))
		return true;
	for (uint32_t i = 0; i < s->n.files; i++)
		if (try_name(q, s->strings + s->files[i].path, path, st))
			return true;
	r.fd = (int)sys(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC);
	while (r.fd >= 0 && !found && (p = next_line(&r))) {
		while (*p && *p != '/')
			p++;
		found = try_name(q, p, path, st);
	}
	if (r.fd >= 0)
		sys(SYS_close, r.fd);
	return found;
}

/* "inotify wd:3 ino:9e7e sdev:800013 mask:800afce ignored_mask:0 fhandle-bytes:8 ..." */
static bool read_watch(struct search *q, const char *line, struct inotify_watch *w)
{
	uint64_t number, mask;
	char path[4096];
	struct stat st;

	if (!fdinfo_word(line, "wd:", 16, &number) || !fdinfo_word(line, "ino:", 16, &q->inode) ||
	    !fdinfo_word(line, "sdev:", 16, &q->device) || !fdinfo_word(line, "mask:", 16, &mask))
		return false;
	*w = (struct inotify_watch){ .number = (uint32_t)number,
				     .mask = (uint32_t)mask & WATCH_MASK };
	q->handle = (struct handle){ 0 };
	if (!read_handle(line, &q->handle))
		q->handle.bytes = 0;
	if (!find_by_handle(q, path, &st) && !find_by_name(q, path, &st))
		return true;
	w->path = add_string(q->s, path);
	w->mode = st.st_mode;
	w->size = (uint64_t)st.st_size;
	w->mtime_ns = mtime_of(&st);
	w->device = st.st_dev;
	w->inode = st.st_ino;
	return true;
}

bool inotify_read(struct snapshot *s, struct descriptor_file *f, uint32_t fd, const char *fdinfo)
{
	struct inotify_state *state = (void *)s->scratch;
	struct inotify_watch *watches = (void *)(state + 1);
	const uint32_t room = (SCRATCH_BYTES - sizeof(*state)) / sizeof(*watches);
	struct search q = { .s = s, .mount = -1 };
	uint32_t count = 0;
	uint64_t unread;
	bool all = true;

	if (!fdinfo)
		return false;
	*state = (struct inotify_state){ 0 };
	if (fdinfo_number(fdinfo, "unread:", 10, &unread))
		state->unread = (uint32_t)unread;
	for (const char *line = fdinfo; *line && all; line = fdinfo_next_line(line)) {
		if (!fdinfo_line_begins(line, "inotify "))
			continue;
		all = count < room && read_watch(&q, line, &watches[count]);
		count++;
	}
	if (q.mount >= 0)
		sys(SYS_close, q.mount);
	return all && file_set_payload(s, f, state, (uint32_t)(sizeof(*state) +
							       count * sizeof(*watches)));
}

#endif
#ifdef IN_LIBRARY

#include "restore/root.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint32_t count_of(const struct descriptor_file *f)
{
	return (f->payload_bytes - (uint32_t)sizeof(struct inotify_state)) /
	       (uint32_t)sizeof(struct inotify_watch);
}

static const struct inotify_watch *watches_of(const struct descriptor *d,
					      const struct descriptor_file *f)
{
	const struct inotify_state *state = file_payload(d, f, sizeof(*state));

	return (const struct inotify_watch *)(state + 1);
}

bool inotify_check(const struct descriptor *d, const struct descriptor_file *f)
{
	const struct inotify_state *state = file_payload(d, f, sizeof(*state));
	const struct inotify_watch *w;

	if (!state || state->reserved || state->unread > INT32_MAX ||
	    (f->payload_bytes - sizeof(*state)) % sizeof(*w))
		return false;
	w = watches_of(d, f);
	for (uint32_t i = 0; i < count_of(f); i++)
		if (!w[i].number || w[i].number > INT32_MAX || w[i].mask & ~(uint32_t)WATCH_MASK ||
		    !descriptor_has_string(d, w[i].path))
			return false;
	return true;
}

static int compare_numbers(const void *a, const void *b)
{
	const struct inotify_watch *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

/* What it is told of while watches are made and given back. */
static void drain(int fd)
{
	char events[4096];

	while (read(fd, events, sizeof(events)) > 0)
		;
}

/* Is it the file that was watched? Elsewhere than on the parent's host as with open files. */
static bool is_same(const struct opening *o, const struct inotify_watch *w, const struct stat *st)
{
	if ((st->st_mode & S_IFMT) != (w->mode & S_IFMT))
		return false;
	if (o->same_host)
		return st->st_dev == w->device && st->st_ino == w->inode;
	return !S_ISREG(st->st_mode) ||
	       ((uint64_t)st->st_size == w->size &&
		st->st_mtim.tv_sec * 1000000000LL + st->st_mtim.tv_nsec == w->mtime_ns);
}

/* How the file itself is called here, whatever leads to it: /proc/self/fd/N. -1: it is not here. */
static int find(const struct opening *o, const struct inotify_watch *w, char name[40])
{
	const char *path = descriptor_string(o->d, w->path);
	int fd = *path ? root_open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC) : -1;
	struct stat st;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) || !is_same(o, w, &st)) {
		close(fd);
		return -1;
	}
	sprintf(name, "/proc/self/fd/%d", fd);
	return fd;
}

/* *next: the number that comes next. */
static bool watch(int fd, const char *name, const struct inotify_watch *w, uint32_t *next)
{
	if (w->number < *next || w->number > WATCH_MAX)
		return false;
	for (;;) {
		int number = inotify_add_watch(fd, name, w->mask | IN_MASK_CREATE);

		if (number < 0)
			return false;
		*next = (uint32_t)number + 1;
		if ((uint32_t)number == w->number)
			return true;
		inotify_rm_watch(fd, number);
		if (!(number % 1024))
			drain(fd);
		if ((uint32_t)number > w->number)
			return false;
	}
}

/* Those that it cannot have are named. */
static int watch_all(struct opening *o, uint32_t file, int fd)
{
	const struct descriptor_file *f = opening_file(o, file);
	const uint32_t count = count_of(f);
	struct inotify_watch *w = malloc((count + 1) * sizeof(*w));
	const char *first = NULL;
	uint32_t next = 1, lost = 0;
	char said[256];

	if (!w)
		return -ENOMEM;
	memcpy(w, watches_of(o->d, f), count * sizeof(*w));
	qsort(w, count, sizeof(*w), compare_numbers);
	for (uint32_t i = 0; i < count; i++) {
		char name[40];
		int at = find(o, &w[i], name);

		if (at < 0 || !watch(fd, name, &w[i], &next)) {
			const char *path = descriptor_string(o->d, w[i].path);

			if (!lost++ && *path)
				first = path;
		}
		if (at >= 0)
			close(at);
	}
	free(w);
	drain(fd);
	snprintf(said, sizeof(said), "has lost %u of %u watches%s%.150s", lost, count,
		 first ? ", the first of them " : "", first ? first : "");
	if (lost)
		opening_lost(o, file, said);
	return 0;
}

int inotify_open(struct opening *o, uint32_t file)
{
	const struct descriptor_file *f = opening_file(o, file);
	const struct inotify_state *state = file_payload(o->d, f, sizeof(*state));
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC), err;

	if (fd < 0 && errno == EMFILE)
		o->why = "fs.inotify.max_user_instances allows no more";
	if (fd < 0)
		return errno == EMFILE ? -ENOENT : -errno;
	err = watch_all(o, file, fd);
	if (err) {
		close(fd);
		return err;
	}
	if (state->unread)
		opening_lost(o, file, "has not the events that were not read");
	return file_set_flags(fd, f);
}

#endif
