// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * terminal.c - the process's own terminal: that of its standard streams, or the one that controls
 * it. A child has its own instead; restore/terminal.c sets that to the modes of the parent's.
 */
#include "state/files/terminals.h"

FILE_KIND_COMPLETE(terminal)

#ifdef IN_SHADOW

#include "pie/freestanding.h"
#include "shadow/read.h"

#define TTY_DEVICE	(5 << 8)	/* /dev/tty */

bool terminal_noted(const struct descriptor_file *f, const char *noted,
		    struct terminal_state *state)
{
	*state = (struct terminal_state){ 0 };
	if (!S_ISCHR(f->mode) || !noted || !*noted)
		return false;
	memcpy(&state->now, noted, sizeof(state->now));
	return true;
}

bool terminal_is(const struct descriptor_file *f, const char *path)
{
	return S_ISCHR(f->mode);
}

/* /dev/tty is always, whichever it is; another one if it controls the parent's session. */
static bool is_own(struct snapshot *s, uint32_t fd)
{
	const char *controls = proc_stat(s, (uint32_t)s->args.parent_pid, 7);
	struct stat st, standard;

	if (sys(SYS_fstat, fd, &st) < 0)
		return false;
	if (st.st_rdev == TTY_DEVICE || st.st_rdev == text_number(&controls, 10))
		return true;
	for (int i = 0; i < 3; i++)
		if (!sys(SYS_fstat, i, &standard) && S_ISCHR(standard.st_mode) &&
		    standard.st_rdev == st.st_rdev)
			return true;
	return false;
}

bool terminal_read(struct snapshot *s, struct descriptor_file *f, uint32_t fd, const char *fdinfo)
{
	struct terminal_state state;

	if (!terminal_noted(f, fdinfo, &state))
		return false;
	if (!is_own(s, fd))
		return false;
	return file_set_payload(s, f, &state, sizeof(state));
}

#endif
#ifdef IN_LIBRARY

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <asm/termbits.h>

_Static_assert(sizeof(((struct capture_terminal *)0)->modes) == sizeof(struct termios2),
	       "all of it");

bool terminal_is_well_formed(const struct terminal_state *state)
{
	return state->is_master <= 1 &&
	       !(state->now.flags & ~(uint32_t)CAPTURE_TERMINAL_KNOWN) &&
	       state->now.unread <= INT32_MAX && !state->now.reserved;
}

int terminal_set_modes(int fd, const struct capture_terminal *t)
{
	struct termios2 modes;
	const struct winsize size = { t->rows, t->columns, t->width, t->height };

	memcpy(&modes, t->modes, sizeof(modes));
	return ioctl(fd, TCSETS2, &modes) || ioctl(fd, TIOCSWINSZ, &size) ? -errno : 0;
}

bool terminal_check(const struct descriptor *d, const struct descriptor_file *f)
{
	const struct terminal_state *state = file_payload(d, f, sizeof(*state));

	return state && f->payload_bytes == sizeof(*state) && terminal_is_well_formed(state);
}

/* Another description of it; where this user may not open it, that of the caller's. */
static int open_again(int fd, const struct descriptor_file *f)
{
	int flags = (int)f->open_flags & (O_ACCMODE | O_NONBLOCK | O_APPEND), new;
	char name[40];

	sprintf(name, "/proc/self/fd/%d", fd);
	new = open(name, flags | O_NOCTTY | O_CLOEXEC);
	if (new < 0 && !((fcntl(fd, F_GETFL) ^ flags) & (O_ACCMODE | O_NONBLOCK)))
		new = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return new;
}

int terminal_open(struct opening *o, uint32_t file)
{
	const struct descriptor_file *f = opening_file(o, file);
	int fd = -1;

	for (int i = 0; i < 3 && fd < 0; i++)
		if (isatty(i))
			fd = open_again(i, f);
	if (fd < 0)
		fd = open("/dev/tty", ((int)f->open_flags & (O_ACCMODE | O_NONBLOCK)) | O_NOCTTY |
				      O_CLOEXEC);
	if (fd >= 0) {
		const struct terminal_state *state = file_payload(o->d, f, sizeof(*state));

		/* Whom that would keep out is not the child's affair. */
		if (state->now.flags & CAPTURE_TERMINAL_EXCLUSIVE)
			opening_lost(o, file, "is not exclusive (TIOCEXCL)");
		return fd;
	}
	o->why = "there is no terminal here";
	return errno == EMFILE || errno == ENFILE ? -errno : -ENOENT;
}

#endif
