// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * nameless.c - an open file that no name leads to (state/nameless.c): another description of the
 * child's own one.
 */
#include "state/files/kind.h"

FILE_KIND_COMPLETE(nameless)

struct nameless_state {
	uint32_t index;			/* into nameless */
	uint32_t reserved;
};

#ifdef IN_SHADOW

#include "pie/freestanding.h"
#include "shadow/read.h"

#include <fcntl.h>

/* One that has a name which looks like that is an ordinary file. */
bool nameless_is(const struct descriptor_file *f, const char *path)
{
	const size_t length = text_length(path), mark = text_length(" (deleted)");
	struct stat st;

	if (!S_ISREG(f->mode) || path[0] != '/' || length < mark ||
	    !text_is(path + length - mark, " (deleted)"))
		return false;
	return sys(SYS_newfstatat, AT_FDCWD, path, &st, 0) < 0 || st.st_ino != f->inode ||
	       st.st_dev != f->device;
}

bool nameless_read(struct snapshot *s, struct descriptor_file *f, uint32_t fd, const char *fdinfo)
{
	for (uint32_t i = 0; i < s->n.nameless; i++) {
		const struct nameless_state state = { .index = i };
		const struct descriptor_nameless *n = &s->nameless[i];

		if (n->inode == f->inode && n->device == f->device && !(n->flags & NAMELESS_SYSV))
			return file_set_payload(s, f, &state, sizeof(state));
	}
	return false;
}

#endif
#ifdef IN_LIBRARY

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

bool nameless_check(const struct descriptor *d, const struct descriptor_file *f)
{
	const struct nameless_state *state = file_payload(d, f, sizeof(*state));

	return state && f->payload_bytes == sizeof(*state) && state->index < d->nameless.count &&
	       !state->reserved && S_ISREG(f->mode);
}

int nameless_open(struct opening *o, uint32_t file)
{
	const int not_again = O_CREAT | O_EXCL | O_TRUNC | O_NOFOLLOW | O_DIRECT | O_TMPFILE;
	const struct descriptor_file *f = opening_file(o, file);
	const struct nameless_state *state = file_payload(o->d, f, sizeof(*state));
	const struct descriptor_nameless *n = descriptor_at(o->d, o->d->nameless);
	char name[40];
	int fd;

	o->why = nameless_why(&n[state->index], o->why_text);
	if (o->why)
		return -ENOENT;
	sprintf(name, "/proc/self/fd/%d", o->nameless[state->index]);
	fd = open(name, ((int)f->open_flags & ~not_again) | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (!(f->open_flags & O_PATH) && lseek(fd, (off_t)f->position, SEEK_SET) < 0) {
		close(fd);
		return -ENOENT;
	}
	return fd;
}

#endif
