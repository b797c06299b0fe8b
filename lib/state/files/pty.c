// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * pty.c - pseudo-terminals whose both sides are in the process: a new pair with the same modes and
 * size, under another number. Of one whose other side is elsewhere the child sees that this has
 * gone. What was written and not read yet cannot be looked at without taking it away.
 */
#include "state/files/terminals.h"

FILE_KIND_COMPLETE(pty)

#ifdef IN_SHADOW

#include "pie/freestanding.h"
#include "shadow/read.h"

#include <sys/ioctl.h>

bool pty_is(const struct descriptor_file *f, const char *path)
{
	return S_ISCHR(f->mode) &&
	       (text_begins(path, "/dev/pts/") || text_is(path, "/dev/ptmx"));
}

static bool has_master(const struct snapshot *s, uint32_t number)
{
	for (uint32_t i = 0; i < s->n.fds; i++) {
		uint32_t n;

		if (sys(SYS_ioctl, s->fds[i].fd, TIOCGPTN, &n) >= 0 && n == number)
			return true;
	}
	return false;
}

bool pty_read(struct snapshot *s, struct descriptor_file *f, uint32_t fd, const char *fdinfo)
{
	struct terminal_state state;
	const char *path = s->strings + f->path;

	if (!terminal_noted(f, fdinfo, &state))
		return false;
	if (sys(SYS_ioctl, fd, TIOCGPTN, &state.number) >= 0) {
		state.is_master = 1;
		return file_set_payload(s, f, &state, sizeof(state));
	}
	if (!text_begins(path, "/dev/pts/"))
		return false;
	path += text_length("/dev/pts/");
	state.number = (uint32_t)text_number(&path, 10);
	return !*path && has_master(s, state.number) &&
	       file_set_payload(s, f, &state, sizeof(state));
}

#endif
#ifdef IN_LIBRARY

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#ifndef TIOCGPTPEER		/* Linux 4.13 */
#define TIOCGPTPEER _IO('T', 0x41)
#endif

bool pty_check(const struct descriptor *d, const struct descriptor_file *f)
{
	const struct terminal_state *state = file_payload(d, f, sizeof(*state));

	return state && f->payload_bytes == sizeof(*state) && terminal_is_well_formed(state);
}

static const struct terminal_state *state_of(const struct opening *o, uint32_t file)
{
	return file_payload(o->d, opening_file(o, file), sizeof(struct terminal_state));
}

/* O_CLOEXEC would be among its flags then. */
static int open_slave(int master, int flags)
{
	int fd = ioctl(master, TIOCGPTPEER, flags | O_NOCTTY);

	return fd < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) ? -errno : fd;
}

/* A side of this pair that a child can have under a number of its own. */
static bool is_side(const struct opening *o, uint32_t file, uint32_t number, bool master)
{
	const struct descriptor_file *f = opening_file(o, file);

	return f->kind == FILE_PTY && state_of(o, file)->number == number &&
	       state_of(o, file)->is_master == master &&
	       opening_has_number(o, file) && o->opened[file] < 0 &&
	       !(f->flags & (FILE_ELSEWHERE | FILE_LATE));
}

static int open_side(struct opening *o, uint32_t file, int master)
{
	const struct descriptor_file *f = opening_file(o, file);
	int fd = open_slave(master, (int)f->open_flags & O_ACCMODE);

	if (fd < 0)
		return fd;
	fd = file_set_flags(fd, f);
	return fd < 0 ? fd : opening_keep(o, file, fd);
}

/* Nobody is on the other side any more. */
static int leave(int master)
{
	int fd = open_slave(master, O_RDWR);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static int open_sides(struct opening *o, uint32_t file, int master)
{
	const struct terminal_state *state = state_of(o, file);
	int exclusive = -1;		/* the side of which nobody else is to open another */
	const int free = 0, locked = state->now.flags & CAPTURE_TERMINAL_LOCKED,
		  packets = !!(state->now.flags & CAPTURE_TERMINAL_PACKETS);
	uint32_t unread = state->now.unread;
	bool any = false;
	int err;

	if (ioctl(master, TIOCSPTLCK, &free))
		return -errno;
	for (uint32_t i = 0; i < o->d->files.count; i++) {
		if (!is_side(o, i, state->number, false))
			continue;
		unread |= state_of(o, i)->now.unread;
		err = open_side(o, i, master);
		if (err)
			return err;
		any = true;
		if (state_of(o, i)->now.flags & CAPTURE_TERMINAL_EXCLUSIVE)
			exclusive = o->opened[i];
	}
	/* One that was locked nobody has had yet. */
	if (!any && !locked) {
		err = leave(master);
		if (err)
			return err;
		if (!(state->now.flags & CAPTURE_TERMINAL_LEFT))
			opening_lost(o, file, "has lost the other side of its terminal");
	}
	err = terminal_set_modes(master, &state->now);
	if (err)
		return err;
	if ((packets && ioctl(master, TIOCPKT, &packets)) ||
	    (locked && ioctl(master, TIOCSPTLCK, &locked)) ||
	    (state->now.flags & CAPTURE_TERMINAL_EXCLUSIVE && ioctl(master, TIOCEXCL)) ||
	    (exclusive >= 0 && ioctl(exclusive, TIOCEXCL)))
		return -errno;
	if (unread)
		opening_lost(o, file, "has not what was written to its terminal and not read");
	return 0;
}

int pty_open(struct opening *o, uint32_t file)
{
	const struct terminal_state *state = state_of(o, file);
	uint32_t master = file;
	int fd, err;

	if (!state->is_master) {
		for (master = 0; master < o->d->files.count; master++)
			if (is_side(o, master, state->number, true))
				break;
		if (master == o->d->files.count)
			return -ENOENT;
	}
	fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd < 0) {
		o->why = "no pseudo-terminal can be made here";
		return errno == EMFILE || errno == ENFILE ? -errno : -ENOENT;
	}
	err = open_sides(o, master, fd);
	if (!err)
		fd = file_set_flags(fd, opening_file(o, master));
	if (err || fd < 0) {
		if (fd >= 0)
			close(fd);
		return err ? err : fd;
	}
	return opening_keep(o, master, fd);
}

#endif
