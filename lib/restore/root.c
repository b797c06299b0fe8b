// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* root.c - opens files in a root directory that only the child will have. */
#include "restore/root.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>

#include "sys.h"

static int root = -1;

void root_set(int fd)
{
	root = fd;
}

bool root_is_other(void)
{
	return root >= 0;
}

int root_open(const char *path, int flags)
{
	/* openat2(2) is strict about what does not go together. */
	const int with_path = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	struct open_how how = { .resolve = RESOLVE_IN_ROOT };
	long fd;

	if (root < 0)
		return open(path, flags);
	how.flags = (uint32_t)(flags & O_PATH ? flags & with_path : flags);
	do {
		/* EAGAIN: something above it was renamed meanwhile. */
		fd = sys(SYS_openat2, root, path, &how, sizeof(how));
	} while (fd == -EAGAIN);
	if (fd < 0) {
		errno = -(int)fd;
		return -1;
	}
	return (int)fd;
}
