// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * files.c - open files: descriptors are numbers, and several may point at one open file
 * description, which has the position. Descriptors 0 to 2 are the child's own.
 *
 * read.c reads them in the shadow; here they are checked on the child's host, where open.c opens
 * what is to be had, and get their numbers in the process that becomes the child.
 */
#include "state/files/files.h"
#include "state/files/kind.h"

#ifdef IN_LIBRARY

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static bool check_by_kind(const struct descriptor *d, const struct descriptor_file *f)
{
	switch (f->kind) {
#define KIND(number, name) case number: return name##_check(d, f);
	DESCRIPTOR_FILE_KINDS(KIND)
#undef KIND
	}
	return false;
}

const char *files_check(const struct descriptor *d)
{
	const struct descriptor_file *files = descriptor_at(d, d->files);
	const struct descriptor_fd *fds = descriptor_at(d, d->fds);

	for (uint32_t i = 0; i < d->files.count; i++)
		if (!descriptor_has_string(d, files[i].path) || files[i].position > INT64_MAX ||
		    files[i].owner > OWNER_OTHER || files[i].signal > 64 ||
		    files[i].flags & ~(uint32_t)FILE_KNOWN_FLAGS ||
		    files[i].locks & ~(uint32_t)LOCK_KNOWN ||
		    !descriptor_has_payload(d, files[i].payload, files[i].payload_bytes) ||
		    !check_by_kind(d, &files[i]))
			return "an open file is malformed";
	/* One more than the highest is computed. */
	for (uint32_t i = 0; i < d->fds.count; i++)
		if (fds[i].fd >= INT32_MAX || fds[i].file >= d->files.count ||
		    fds[i].flags & ~(uint32_t)FD_CLOEXEC || fds[i].reserved ||
		    (i && fds[i].fd <= fds[i - 1].fd))
			return "a descriptor of an open file is malformed";
	return NULL;
}

static int place_by_kind(const struct descriptor *d, const struct descriptor_file *f, int fd)
{
	switch (f->kind) {
#define KIND(number, name) case number: return name##_place(d, f, fd);
	DESCRIPTOR_FILE_KINDS(KIND)
#undef KIND
	}
	return 0;
}

int files_place(const struct descriptor *d, const int *opened)
{
	const struct descriptor_file *files = descriptor_at(d, d->files);
	const struct descriptor_fd *fds = descriptor_at(d, d->fds);

	for (uint32_t i = 0; i < d->fds.count; i++)
		if (fds[i].fd > 2 && dup3(opened[fds[i].file], (int)fds[i].fd,
					  fds[i].flags & FD_CLOEXEC ? O_CLOEXEC : 0) < 0)
			return -errno;
	for (uint32_t i = 0; i < d->fds.count; i++) {
		const struct descriptor_file *f = &files[fds[i].file];
		const struct f_owner_ex self = { F_OWNER_PID, getpid() };
		int err;

		/* A tombstone has none of this. */
		if (fds[i].fd < 3 || fcntl((int)fds[i].fd, F_GETFL) & O_PATH)
			continue;
		err = place_by_kind(d, f, (int)fds[i].fd);
		if (err)
			return err;
		if ((f->owner == OWNER_SELF && fcntl((int)fds[i].fd, F_SETOWN_EX, &self)) ||
		    (f->signal && fcntl((int)fds[i].fd, F_SETSIG, (int)f->signal)))
			return -errno;
	}
	return 0;
}

#endif
