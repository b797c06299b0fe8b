// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * directory.c - an open directory is opened again by its path. How far it was read is a number of
 * its file system's, which means nothing on another host.
 */
#include "state/files/kind.h"

FILE_KIND_WITHOUT_PAYLOAD(directory)

#ifdef IN_SHADOW

bool directory_is(const struct descriptor_file *f, const char *path)
{
	return S_ISDIR(f->mode) && path[0] == '/';
}

#endif
#ifdef IN_LIBRARY

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int directory_open(struct opening *o, uint32_t file)
{
	const struct descriptor_file *f = opening_file(o, file);
	int fd = file_reopen(o->d, f);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) || !S_ISDIR(st.st_mode) ||
	    (o->same_host && !file_has_identity(f, &st)) || (!o->same_host && f->position) ||
	    (!(f->open_flags & O_PATH) && lseek(fd, (off_t)f->position, SEEK_SET) < 0)) {
		close(fd);
		return -ENOENT;
	}
	return fd;
}

#endif
