// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* signalfd.c - signals that are read from a file: a new one with the same mask. */
#include "state/files/kind.h"

FILE_KIND_COMPLETE(signalfd)

#ifdef IN_SHADOW

#include "capture/fdinfo.h"
#include "pie/freestanding.h"
#include "shadow/read.h"

bool signalfd_is(const struct descriptor_file *f, const char *path)
{
	return text_is(path, "anon_inode:[signalfd]");
}

bool signalfd_read(struct snapshot *s, struct descriptor_file *f, uint32_t fd, const char *fdinfo)
{
	uint64_t mask;

	return fdinfo_number(fdinfo, "sigmask:", 16, &mask) &&
	       file_set_payload(s, f, &mask, sizeof(mask));
}

#endif
#ifdef IN_LIBRARY

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

bool signalfd_check(const struct descriptor *d, const struct descriptor_file *f)
{
	return file_payload(d, f, sizeof(uint64_t)) && f->payload_bytes == sizeof(uint64_t);
}

int signalfd_open(struct opening *o, uint32_t file)
{
	const struct descriptor_file *f = opening_file(o, file);
	/* All 64: the C library keeps some signals to itself. */
	int fd = (int)syscall(SYS_signalfd4, -1, file_payload(o->d, f, sizeof(uint64_t)),
			      sizeof(uint64_t), O_CLOEXEC);

	return fd < 0 ? -errno : file_set_flags(fd, f);
}

#endif
