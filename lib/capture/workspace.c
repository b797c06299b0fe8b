// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* workspace.c - memory of a tracer, and how it reads /proc without an allocator. */
#include "capture/workspace.h"
#include "capture/capture.h"
#include "capture/freeze.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "frame.h"

/*
 * Beside what each thread takes: its own stack, positions of open files, and what is packed for the
 * copy.
 */
#define BASE	((4u << 20) + 3 * CAPTURE_ROOM)
#define SPARE	64u	/* threads that are made before it stands still */

int workspace_open(struct workspace *w, unsigned int threads)
{
	size_t each = sizeof(struct frozen_thread) + sizeof(struct frozen_sleep) +
		2 * (sizeof(struct capture_thread) + FRAME_EXTENDED_MAX);
	void *at;

	*w = (struct workspace){
		.bytes = (BASE + (2 * (size_t)threads + SPARE) * each + PAGE_BYTES - 1) &
			 ~(PAGE_BYTES - 1),
	};
	at = mmap(NULL, w->bytes, PROT_READ | PROT_WRITE,
		  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at == MAP_FAILED)
		return -errno;
	/* It is no part of a copy of this process. */
	if (madvise(at, w->bytes, MADV_DONTFORK)) {
		int err = -errno;

		munmap(at, w->bytes);
		return err;
	}
	w->start = at;
	return 0;
}

void *workspace_take(struct workspace *w, size_t bytes)
{
	size_t at = (w->used + 63) & ~(size_t)63;

	if (at > w->bytes || bytes > w->bytes - at)
		return NULL;
	w->used = at + bytes;
	return w->start + at;
}

void workspace_close(struct workspace *w)
{
	if (w->start)
		munmap(w->start, w->bytes);
	w->start = NULL;
}

long proc_read_at(int directory, const char *name, char *to, size_t room)
{
	int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
	size_t have = 0;
	long n = fd < 0 ? -errno : 1;

	while (n > 0 && have < room - 1) {
		n = read(fd, to + have, room - 1 - have);
		if (n < 0)
			n = -errno;
		else
			have += (size_t)n;
	}
	if (fd >= 0)
		close(fd);
	to[have] = '\0';
	return n < 0 ? n : (long)have;
}

long proc_read(const char *path, char *to, size_t room)
{
	return proc_read_at(AT_FDCWD, path, to, room);
}

uint32_t proc_number_inside(int pid, int tid)
{
	static const char name[] = "\nNSpid:";
	char path[64], text[4096], *line, *end;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/status", pid, tid);
	proc_read(path, text, sizeof(text));
	line = strstr(text, name);
	if (!line)
		return (uint32_t)tid;
	/* The last in the list. */
	end = line + sizeof(name) - 1 + strcspn(line + sizeof(name) - 1, "\n");
	while (end > line && end[-1] != '\t')
		end--;
	return (uint32_t)strtoul(end, NULL, 10);
}
