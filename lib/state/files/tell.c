// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * tell.c - what a child has not of its parent's open files although it has the files: standard
 * streams, locks, connections.
 */
#include "state/files/kind.h"

#ifdef IN_LIBRARY

#include <fcntl.h>
#include <unistd.h>

/*
 * Is it the same file? What is written goes where the caller wants it; what is read, to where the
 * parent was.
 */
static bool is_callers(const struct opening *o, const struct descriptor_file *f, int fd)
{
	int flags = fcntl(fd, F_GETFL);
	struct stat st;

	if (!o->same_host || flags < 0 || fstat(fd, &st) || !file_has_identity(f, &st))
		return false;
	return (flags & O_ACCMODE) != O_RDONLY || lseek(fd, 0, SEEK_CUR) == (off_t)f->position;
}

/*
 * Standard streams are the caller's. Where they lead is its affair, but a file of the parent's is
 * not forgotten, nor that the child has one of its own under another number.
 */
void opening_tell_standard(const struct opening *o, uint32_t file)
{
	const struct descriptor_file *f = opening_file(o, file);
	const struct descriptor_fd *fds = descriptor_at(o->d, o->d->fds);

	for (uint32_t i = 0; i < o->d->fds.count && fds[i].fd < 3; i++)
		if (fds[i].file == file && !is_callers(o, f, (int)fds[i].fd))
			losses_add(o->losses, "descriptor %u is the caller's, not %s", fds[i].fd,
				   descriptor_string(o->d, f->path));
}

void opening_tell_locks(const struct opening *o, uint32_t file)
{
	static const struct { uint32_t lock; const char *name; } names[] = {
		{ LOCK_FLOCK, "lock of flock(2)" },
		{ LOCK_POSIX, "lock of fcntl(2)" },
		{ LOCK_OFD, "open file description lock" },
		{ LOCK_LEASE_READ | LOCK_LEASE_WRITE, "lease" },
	};
	const struct descriptor_file *f = opening_file(o, file);
	char numbers[NUMBERS_MAX];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (f->locks & names[i].lock)
			losses_add(o->losses, "the %s on descriptor %s is the parent's alone (%s)",
				   names[i].name, file_numbers(o->d, file, 0, UINT32_MAX, numbers),
				   descriptor_string(o->d, f->path));
}

void opening_tell_connections(const struct opening *o)
{
	if (o->connections)
		losses_add(o->losses, "connections that it sees ended by the other side: %u "
			   "(descriptor %s)", o->connections, o->connection_numbers);
}

#endif
