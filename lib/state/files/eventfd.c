// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* eventfd.c - a counter that is a file: a new one with the same count. */
#include "state/files/kind.h"

FILE_KIND_COMPLETE(eventfd)

enum { EVENTFD_COUNTS, EVENTFD_SEMAPHORE, EVENTFD_UNKNOWN };

struct eventfd_state {
	uint64_t count;
	uint32_t mode;			/* how it is read; before Linux 6.5 nobody tells */
	uint32_t reserved;
};

#ifdef IN_SHADOW

#include "capture/fdinfo.h"
#include "pie/freestanding.h"
#include "shadow/read.h"

bool eventfd_is(const struct descriptor_file *f, const char *path)
{
	return text_is(path, "anon_inode:[eventfd]");
}

bool eventfd_read(struct snapshot *s, struct descriptor_file *f, uint32_t fd, const char *fdinfo)
{
	struct eventfd_state state = { .mode = EVENTFD_UNKNOWN };
	uint64_t semaphore;

	/* The kernel itself can count one further than write(2). */
	if (!fdinfo_number(fdinfo, "eventfd-count:", 16, &state.count) || state.count == UINT64_MAX)
		return false;
	if (fdinfo_number(fdinfo, "eventfd-semaphore:", 10, &semaphore))
		state.mode = semaphore ? EVENTFD_SEMAPHORE : EVENTFD_COUNTS;
	return file_set_payload(s, f, &state, sizeof(state));
}

#endif
#ifdef IN_LIBRARY

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

bool eventfd_check(const struct descriptor *d, const struct descriptor_file *f)
{
	const struct eventfd_state *state = file_payload(d, f, sizeof(*state));

	return state && f->payload_bytes == sizeof(*state) && state->mode <= EVENTFD_UNKNOWN &&
	       !state->reserved && state->count < UINT64_MAX;
}

int eventfd_open(struct opening *o, uint32_t file)
{
	const struct descriptor_file *f = opening_file(o, file);
	const struct eventfd_state *state = file_payload(o->d, f, sizeof(*state));
	int fd = eventfd(0, EFD_CLOEXEC | (state->mode == EVENTFD_SEMAPHORE ? EFD_SEMAPHORE : 0));

	if (fd < 0)
		return -errno;
	if (state->count &&
	    write(fd, &state->count, sizeof(state->count)) != sizeof(state->count)) {
		close(fd);
		return -ENOENT;
	}
	if (state->mode == EVENTFD_UNKNOWN)
		opening_lost(o, file, "may be a semaphore, which no kernel before Linux 6.5 tells");
	return file_set_flags(fd, f);
}

#endif
