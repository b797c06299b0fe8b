// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* opening.c - what the kinds of open files use on a child's host, and how they say what is lost. */
#include "state/files/files.h"
#include "state/files/kind.h"

#ifdef IN_LIBRARY

#include "api/log.h"
#include "restore/root.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const void *file_payload(const struct descriptor *d, const struct descriptor_file *f,
			 uint32_t bytes)
{
	return f->payload % 8 || f->payload_bytes < bytes ? NULL
							  : descriptor_payload(d, f->payload);
}

int file_set_flags(int fd, const struct descriptor_file *f)
{
	int err;

	if (!(f->open_flags & O_NONBLOCK) == !(fcntl(fd, F_GETFL) & O_NONBLOCK) ||
	    !fcntl(fd, F_SETFL, (int)f->open_flags & O_NONBLOCK))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

int file_move_up(int fd, int base)
{
	int high = fcntl(fd, F_DUPFD_CLOEXEC, base);

	if (high >= 0)
		return high;
	return errno == EINVAL ? -EMFILE : -errno;	/* above the limit */
}

bool file_has_identity(const struct descriptor_file *f, const struct stat *st)
{
	return st->st_dev == f->device && st->st_ino == f->inode;
}

/*
 * The path came with the descriptor: a fifo that is there must not stop us, nor a terminal become
 * ours.
 */
int file_reopen(const struct descriptor *d, const struct descriptor_file *f)
{
	const int not_again = O_CREAT | O_EXCL | O_TRUNC | O_NOFOLLOW | (O_TMPFILE & ~O_DIRECTORY);
	int flags = (int)f->open_flags & ~not_again;
	int fd = root_open(descriptor_string(d, f->path),
			   flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return errno == EMFILE || errno == ENFILE ? -errno : -ENOENT;
	if (!(flags & (O_NONBLOCK | O_PATH)) && fcntl(fd, F_SETFL, flags)) {
		close(fd);
		return -ENOENT;
	}
	return fd;
}

int file_keep(int fd, int *fd_next)
{
	int high = file_move_up(fd, *fd_next);

	close(fd);
	if (high >= 0)
		*fd_next = high + 1;
	return high;
}

int opening_keep(struct opening *o, uint32_t file, int fd)
{
	o->opened[file] = file_keep(fd, o->fd_next);
	return o->opened[file] < 0 ? o->opened[file] : 0;
}

const char *file_numbers(const struct descriptor *d, uint32_t file, uint32_t from, uint32_t to,
			      char text[NUMBERS_MAX])
{
	const struct descriptor_fd *fds = descriptor_at(d, d->fds);
	size_t used = 0;

	text[0] = '\0';
	for (uint32_t i = 0; i < d->fds.count; i++) {
		if (fds[i].file != file || fds[i].fd < from || fds[i].fd >= to)
			continue;
		if (used > 40) {
			strcpy(text + used, ", ...");
			break;
		}
		used += (size_t)sprintf(text + used, "%s%u", used ? ", " : "", fds[i].fd);
	}
	return text;
}

bool opening_has_number(const struct opening *o, uint32_t file)
{
	char numbers[NUMBERS_MAX];

	return *file_numbers(o->d, file, 3, UINT32_MAX, numbers);
}

void opening_lost(struct opening *o, uint32_t file, const char *what)
{
	char numbers[NUMBERS_MAX];

	losses_add(o->losses, "descriptor %s %s (%s)",
		   file_numbers(o->d, file, 3, UINT32_MAX, numbers), what,
		   descriptor_string(o->d, opening_file(o, file)->path));
}

void opening_count_connection(struct opening *o, uint32_t file)
{
	char numbers[NUMBERS_MAX];
	size_t used = strlen(o->connection_numbers);

	o->connections++;
	file_numbers(o->d, file, 3, UINT32_MAX, numbers);
	if (used + strlen(numbers) < 40)
		sprintf(o->connection_numbers + used, "%s%s", used ? ", " : "", numbers);
	else if (used && !strstr(o->connection_numbers, "..."))
		strcat(o->connection_numbers, ", ...");
}

int opening_refuse(struct opening *o, uint32_t file, int err, const char *format, ...)
{
	char numbers[NUMBERS_MAX], text[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	log_error("%s: descriptor %s: %s", o->object,
		  file_numbers(o->d, file, 3, UINT32_MAX, numbers), text);
	o->told = true;
	return -err;
}

#endif
