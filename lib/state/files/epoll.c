// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * epoll.c - who waits for many files: a new one, to which they are added once they all have their
 * numbers. For an edge (EPOLLET) that the parent had been told of, the child is told once more.
 */
#include "state/files/kind.h"

#include <sys/epoll.h>

struct epoll_entry {
	uint32_t fd;
	uint32_t events;
	uint64_t data;
	/* what is waited for has not that number any more, or is nobody's */
	uint32_t lost;
	uint32_t reserved;
};

#ifdef IN_SHADOW

#include "capture/fdinfo.h"
#include "pie/freestanding.h"
#include "shadow/read.h"

#include <linux/kcmp.h>

bool epoll_is(const struct descriptor_file *f, const char *path)
{
	return text_is(path, "anon_inode:[eventpoll]");
}

/*
 * Is what waits under this number what is open there? A number may have been closed, and be
 * another's now.
 */
static bool is_there(struct snapshot *s, uint32_t fd, uint32_t epoll, uint32_t offset,
		     uint64_t inode)
{
	struct kcmp_epoll_slot slot = { .efd = epoll, .tfd = fd, .toff = offset };
	long self = sys(SYS_getpid), same;
	struct stat st;

	if (sys(SYS_fstat, fd, &st) < 0 || st.st_ino != inode)
		return false;
	/*
	 * A socket has a number of its own; the parent may have closed this one, and waits for the
	 * next under its number.
	 */
	if (S_ISSOCK(st.st_mode))
		return true;
	same = sys(SYS_kcmp, self, self, KCMP_EPOLL_TFD, fd, &slot);
	/*
	 * Negative: the parent, whose it is too, has taken it out meanwhile, or there is no
	 * kcmp(2).
	 */
	return same <= 0;
}

bool epoll_read(struct snapshot *s, struct descriptor_file *f, uint32_t fd, const char *fdinfo)
{
	struct epoll_entry *entries = (void *)s->scratch;
	uint32_t count = 0;

	if (!fdinfo)
		return false;
	for (const char *line = fdinfo; *line; line = fdinfo_next_line(line)) {
		uint64_t tfd, events, data, inode;
		uint32_t offset = 0;

		if (!fdinfo_line_begins(line, "tfd:"))
			continue;
		if (count == SCRATCH_BYTES / sizeof(*entries) ||
		    !fdinfo_word(line, "tfd:", 10, &tfd) ||
		    !fdinfo_word(line, "events:", 16, &events) ||
		    !fdinfo_word(line, "data:", 16, &data) ||
		    !fdinfo_word(line, "ino:", 16, &inode))
			return false;
		/* Those of one number follow each other. */
		for (uint32_t i = count; i > 0 && entries[i - 1].fd == tfd; i--)
			offset++;
		entries[count++] = (struct epoll_entry){
			.fd = (uint32_t)tfd, .events = (uint32_t)events, .data = data,
			.lost = !is_there(s, (uint32_t)tfd, fd, offset, inode),
		};
	}
	return file_set_payload(s, f, entries, count * (uint32_t)sizeof(*entries));
}

#endif
#ifdef IN_LIBRARY

#include <errno.h>
#include <unistd.h>

static uint32_t count_of(const struct descriptor_file *f)
{
	return f->payload_bytes / (uint32_t)sizeof(struct epoll_entry);
}

bool epoll_check(const struct descriptor *d, const struct descriptor_file *f)
{
	const struct epoll_entry *e = file_payload(d, f, 0);

	if (!e || f->payload_bytes % sizeof(*e))
		return false;
	for (uint32_t i = 0; i < count_of(f); i++)
		if (e[i].fd > INT32_MAX || e[i].lost > 1 || e[i].reserved)
			return false;
	return true;
}

int epoll_open(struct opening *o, uint32_t file)
{
	const struct descriptor_file *f = opening_file(o, file);
	const struct epoll_entry *e = file_payload(o->d, f, 0);
	int fd = epoll_create1(EPOLL_CLOEXEC);

	if (fd < 0)
		return -errno;
	for (uint32_t i = 0; i < count_of(f); i++) {
		if (!e[i].lost)
			continue;
		opening_lost(o, file, "does not wait for a file that has lost its number");
		break;
	}
	return file_set_flags(fd, f);
}

int epoll_place(const struct descriptor *d, const struct descriptor_file *f, int fd)
{
	const struct epoll_entry *e = file_payload(d, f, 0);

	for (uint32_t i = 0; i < count_of(f); i++) {
		struct epoll_event event = { .events = e[i].events, .data.u64 = e[i].data };

		if (e[i].lost || !epoll_ctl(fd, EPOLL_CTL_ADD, (int)e[i].fd, &event))
			continue;
		/*
		 * What cannot be had is named already (EBADF); a standard stream of the caller's
		 * may be a file (EPERM); under another number of the same epoll all is done
		 * (EEXIST).
		 */
		if (errno != EBADF && errno != EEXIST && !(errno == EPERM && e[i].fd < 3))
			return -errno;
	}
	return 0;
}

#endif
