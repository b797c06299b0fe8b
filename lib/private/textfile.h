/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* textfile.h - writing to the files by which the kernel is told something. */
#ifndef MITOSIS_TEXTFILE_H
#define MITOSIS_TEXTFILE_H

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* All of it at once, below a directory (AT_FDCWD: the current one). 0 or -errno. */
static inline int textfile_write(int dir_fd, const char *path, const char *text)
{
	int fd = openat(dir_fd, path, O_WRONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

#endif
