// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * terminal.c - while a child has this process's terminal, that is in the modes that its parent had
 * set: a program in raw mode, or one that asks for a password, goes on so. Whoever started
 * mitosis-child finds it as before, once the child has ended or while it is stopped. In the
 * background nothing is changed.
 *
 * A parent that leads its process group is a shell perhaps, which gives the terminal to its
 * commands and takes it back for a group that it knows by its own number. So the child leads a
 * group, too, and that has the terminal meanwhile.
 *
 * The size is the terminal's own, of which a program is told by SIGWINCH if it is another.
 */
#include "restore/resume.h"
#include "private/supervise.h"
#include "state/files/terminals.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <asm/termbits.h>

static int terminal = -1;		/* one of the standard streams; -1: nothing was changed */
static struct termios2 before, childs;
static bool given;			/* it is back with who started us, or was never taken */
static bool leads;			/* the child has a group of its own, */
static pid_t group;			/* once there is a child: this one */

/* What was noted of the parent's standard stream; NULL: that is no terminal. */
static const struct capture_terminal *parents(const struct descriptor *d, unsigned int number)
{
	const struct descriptor_fd *fds = descriptor_at(d, d->fds);
	const struct descriptor_file *files = descriptor_at(d, d->files);

	for (uint32_t i = 0; i < d->fds.count && fds[i].fd < 3; i++) {
		const struct descriptor_file *f = &files[fds[i].file];

		if (fds[i].fd == number && f->kind == FILE_TERMINAL) {
			const struct terminal_state *state = file_payload(d, f, sizeof(*state));

			return &state->now;
		}
	}
	return NULL;
}

/* Ours, the child's, or that of a group which is no more: one of the child's, once it has ended. */
static bool is_ours(int fd)
{
	pid_t has = tcgetpgrp(fd);

	return has == getpgrp() || (has > 0 && (has == group || (kill(-has, 0) && errno == ESRCH)));
}

static bool give_back(void)
{
	bool from_group;

	if (terminal < 0 || given || !is_ours(terminal))
		return false;
	from_group = group && tcgetpgrp(terminal) != getpgrp();
	ioctl(terminal, TCGETS2, &childs);
	ioctl(terminal, TCSETS2, &before);
	if (leads)
		tcsetpgrp(terminal, getpgrp());
	given = true;
	return from_group;
}

static bool take_again(void)
{
	struct termios2 now;

	if (terminal < 0 || !given || tcgetpgrp(terminal) != getpgrp())
		return false;
	/* The child, continued together with us, may have set its modes already. */
	if (!ioctl(terminal, TCGETS2, &now) && !memcmp(&now, &before, sizeof(now)))
		ioctl(terminal, TCSETS2, &childs);
	if (group)
		tcsetpgrp(terminal, group);
	given = false;
	return true;
}

/* The speed and the like belong to the line. */
static void set(int fd, const struct capture_terminal *t)
{
	struct termios2 modes;

	if (tcgetpgrp(fd) != getpgrp() || ioctl(fd, TCGETS2, &before))
		return;
	memcpy(&modes, t->modes, sizeof(modes));
	childs = before;
	childs.c_iflag = modes.c_iflag;
	childs.c_oflag = modes.c_oflag;
	childs.c_lflag = modes.c_lflag;
	memcpy(childs.c_cc, modes.c_cc, sizeof(modes.c_cc));
	terminal = fd;
	ioctl(fd, TCSETS2, &childs);
	supervise_terminal(give_back, take_again);
}

/* A pipeline has one group, and keeps it. */
void terminal_take(const struct descriptor *d)
{
	for (int fd = 0; fd < 3; fd++) {
		const struct capture_terminal *t = isatty(fd) ? parents(d, (unsigned int)fd) : NULL;

		if (!t)
			continue;
		set(fd, t);
		leads = terminal >= 0 && d->process_flags & PROCESS_LEADS && isatty(0) &&
			isatty(1);
		return;
	}
}

/* SIGTTOU is blocked. */
void terminal_enter(const struct descriptor *d)
{
	pid_t old = getpgrp();

	if (leads && !setpgid(0, 0) && tcsetpgrp(terminal, getpid()))
		setpgid(0, old);
}

void terminal_give_back(void)
{
	give_back();
	terminal = -1;
}

void terminal_has_child(const struct descriptor *d, pid_t child)
{
	if (leads)
		group = child;
	for (int fd = 0; fd < 3; fd++) {
		const struct capture_terminal *t = isatty(fd) ? parents(d, (unsigned int)fd) : NULL;
		struct winsize size;

		if (!t)
			continue;
		if (!ioctl(fd, TIOCGWINSZ, &size) &&
		    (size.ws_row != t->rows || size.ws_col != t->columns))
			kill(child, SIGWINCH);
		return;
	}
}
