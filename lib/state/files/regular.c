// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* regular.c - an open regular file is opened again by its path, and stands where it stood. */
#include "state/files/kind.h"

FILE_KIND_WITHOUT_PAYLOAD(regular)

#ifdef IN_SHADOW

bool regular_is(const struct descriptor_file *f, const char *path)
{
	return S_ISREG(f->mode) && path[0] == '/';
}

#endif
#ifdef IN_LIBRARY

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* Elsewhere than on the parent's host size and time tell, as far as they can. */
static bool is_same(const struct descriptor_file *f, const struct stat *st, bool same_host)
{
	if (!S_ISREG(st->st_mode))
		return false;
	if (same_host)
		return file_has_identity(f, st);
	return (uint64_t)st->st_size == f->size &&
	       st->st_mtim.tv_sec * 1000000000LL + st->st_mtim.tv_nsec == f->mtime_ns;
}

int regular_open(struct opening *o, uint32_t file)
{
	const struct descriptor_file *f = opening_file(o, file);
	int fd = file_reopen(o->d, f);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) || !is_same(f, &st, o->same_host) ||
	    (!(f->open_flags & O_PATH) && lseek(fd, (off_t)f->position, SEEK_SET) < 0)) {
		close(fd);
		return -ENOENT;
	}
	return fd;
}

#endif
