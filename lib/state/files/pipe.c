// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * pipe.c - a pipe that has both ends in the process and none elsewhere, with what was in it at the
 * instant. Of any other the child has no end: what the parent and somebody else say to each other
 * is not for it.
 */
#include "state/files/kind.h"

FILE_KIND_COMPLETE(pipe)

struct pipe_state {
	uint32_t capacity;
	uint32_t bytes;			/* that follow; only once for a pipe */
};

#ifdef IN_SHADOW

#include "capture/fdinfo.h"
#include "pie/freestanding.h"
#include "shadow/read.h"

#include <fcntl.h>

bool pipe_is(const struct descriptor_file *f, const char *path)
{
	return S_ISFIFO(f->mode) && text_begins(path, "pipe:[");
}

/* What was in it, if anything was: it is read from the copy into scratch behind the state. */
static bool read_bytes(struct snapshot *s, struct capture_pipe *p, struct pipe_state *state)
{
	char *to = (char *)(state + 1);

	if (p->copy_fd < 0 || p->bytes > SCRATCH_BYTES - sizeof(*state))
		return false;
	while (state->bytes < p->bytes) {
		long n = sys(SYS_read, p->copy_fd, to + state->bytes, p->bytes - state->bytes);

		if (n <= 0)
			return false;
		state->bytes += (uint32_t)n;
	}
	return true;
}

bool pipe_read(struct snapshot *s, struct descriptor_file *f, uint32_t fd, const char *fdinfo)
{
	struct pipe_state *state = (void *)s->scratch;
	struct capture *c = &s->args.capture;
	long capacity = sys(SYS_fcntl, fd, F_GETPIPE_SZ);
	bool reads = (f->open_flags & O_ACCMODE) != O_WRONLY;

	if (capacity <= 0 || f->open_flags & O_DIRECT || c->pipes_lost)
		return false;
	*state = (struct pipe_state){ .capacity = (uint32_t)capacity };
	for (uint32_t i = 0; i < c->pipe_count; i++) {
		if (c->pipes[i].inode != f->inode || !reads || !c->pipes[i].bytes)
			continue;
		if (!read_bytes(s, &c->pipes[i], state))
			return false;
		c->pipes[i].bytes = 0;	/* for one of its descriptions */
	}
	return file_set_payload(s, f, state, sizeof(*state) + state->bytes);
}

#endif
#ifdef IN_LIBRARY

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool pipe_check(const struct descriptor *d, const struct descriptor_file *f)
{
	const struct pipe_state *state = file_payload(d, f, sizeof(*state));

	return state && f->payload_bytes - sizeof(*state) == state->bytes && S_ISFIFO(f->mode) &&
	       (f->open_flags & O_ACCMODE) != O_ACCMODE && state->capacity <= INT32_MAX;
}

static bool is_of(const struct descriptor_file *f, const struct descriptor_file *other)
{
	return f->kind == FILE_PIPE && f->inode == other->inode && f->device == other->device;
}

/*
 * Is somebody there who reads what is written, and who writes what is read, above the standard
 * streams?
 */
static bool is_whole(const struct opening *o, const struct descriptor_file *f)
{
	bool reads = false, writes = false;

	for (uint32_t i = 0; i < o->d->files.count; i++) {
		const struct descriptor_file *other = opening_file(o, i);

		if (!is_of(other, f))
			continue;
		/* Or one that the child was given another for. */
		if (other->flags & (FILE_ELSEWHERE | FILE_LATE) || !opening_has_number(o, i) ||
		    o->opened[i] >= 0)
			return false;
		reads |= (other->open_flags & O_ACCMODE) != O_WRONLY;
		writes |= (other->open_flags & O_ACCMODE) != O_RDONLY;
	}
	return reads && writes;
}

static int fill(struct opening *o, uint32_t file, int fd)
{
	const struct pipe_state *state = file_payload(o->d, opening_file(o, file), sizeof(*state));
	size_t done = 0;

	if (fcntl(fd, F_GETPIPE_SZ) != (int)state->capacity &&
	    fcntl(fd, F_SETPIPE_SZ, state->capacity) < 0)
		opening_lost(
			o, file,
			"holds less than its parent's (fs.pipe-max-size, fs.pipe-user-pages-soft)");
	while (done < state->bytes) {
		ssize_t n = write(fd, (const char *)(state + 1) + done, state->bytes - done);

		if (n <= 0)
			return -ENOENT;
		done += (size_t)n;
	}
	return 0;
}

/* Another description of one that is there; with its own flags. */
static int open_again(int fd, const struct descriptor_file *f)
{
	char name[40];
	int again;

	sprintf(name, "/proc/self/fd/%d", fd);
	again = open(name, (int)(f->open_flags & O_ACCMODE) | O_NONBLOCK | O_CLOEXEC);
	return again < 0 ? -errno : again;
}

/* All its ends at once. */
int pipe_open(struct opening *o, uint32_t file)
{
	const struct descriptor_file *first = opening_file(o, file);
	bool used[2] = { false, false };
	int ends[2], err = 0, mine = -ENOENT;

	if (!is_whole(o, first))
		return -ENOENT;
	if (pipe2(ends, O_NONBLOCK | O_CLOEXEC))
		return -errno;
	for (uint32_t i = file; i < o->d->files.count && !err; i++) {
		const struct descriptor_file *f = opening_file(o, i);
		int end = (f->open_flags & O_ACCMODE) == O_RDONLY ? 0 : 1, fd;

		if (!is_of(f, first))
			continue;
		err = fill(o, i, ends[1]);
		fd = used[end] || (f->open_flags & O_ACCMODE) == O_RDWR
			     ? open_again(ends[end], f)
			     : fcntl(ends[end], F_DUPFD_CLOEXEC, 0);
		used[end] |= (f->open_flags & O_ACCMODE) != O_RDWR;
		if (fd >= 0)
			fd = file_set_flags(fd, f);
		if (fd < 0)
			err = fd;
		else if (i == file)
			mine = fd;
		else
			err = opening_keep(o, i, fd);
	}
	close(ends[0]);
	close(ends[1]);
	if (!err)
		return mine;
	if (mine >= 0)
		close(mine);
	return err;
}

#endif
