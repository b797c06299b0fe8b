// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* inherit.c - descriptors that the caller has for files of the child's: --inherit-fd. */
#include "state/files/files.h"
#include "state/files/kind.h"

#ifdef IN_LIBRARY

#include "api/log.h"
#include "restore/publish.h"

#include <errno.h>
#include <string.h>

static uint32_t file_of(const struct descriptor *d, unsigned int number)
{
	const struct descriptor_fd *fds = descriptor_at(d, d->fds);

	for (uint32_t i = 0; i < d->fds.count; i++)
		if (fds[i].fd == number)
			return fds[i].file;
	return d->files.count;
}

/* One of the caller's for the file: it waits, or does not, as the program knows it. */
static int inherit_one(struct opening *o, const struct inherit *one)
{
	uint32_t file = file_of(o->d, one->number);
	const struct descriptor_file *f;
	int fd;

	if (file == o->d->files.count) {
		log_error("--inherit-fd %u=%d: the parent has no descriptor %u", one->number,
			  one->fd, one->number);
		return -ENOENT;
	}
	f = opening_file(o, file);
	if (f->kind == FILE_EPOLL || f->kind == FILE_TIMERFD || o->opened[file] >= 0) {
		log_error("--inherit-fd %u=%d: %s", one->number, one->fd, o->opened[file] >= 0 ?
			  "it is given twice" :
			  "it is a timer or waits for files, and is made anew in the child");
		return -EINVAL;
	}
	fd = file_move_up(one->fd, *o->fd_next);
	if (fd >= 0)
		fd = file_set_flags(fd, f);
	if (fd < 0) {
		log_error("--inherit-fd %u=%d: %s", one->number, one->fd, strerror(-fd));
		return fd;
	}
	*o->fd_next = fd + 1;
	o->opened[file] = fd;
	return 0;
}

int opening_inherit(struct opening *o, const char *text)
{
	struct inherit list[INHERIT_MAX];
	int count = inherit_parse(list, text), err = count < 0 ? count : 0;

	for (int i = 0; i < count && !err; i++)
		err = inherit_one(o, &list[i]);
	return err;
}

#endif
