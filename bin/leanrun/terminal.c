// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * terminal.c - the user's terminal, and a new one in the container.
 *
 * The container gets a terminal of its own instead of the user's: job control works in it, and
 * nothing in it can reach the user's. The other end travels out over a socket.
 */
#include "run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "tool.h"

union rights {
	char bytes[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

void terminal_send(struct lean_spawn *s, int socket, int master)
{
	char c = 't';
	struct iovec iov = { &c, 1 };
	union rights rights = { 0 };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &rights,
			    .msg_controllen = sizeof(rights) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(h), &master, sizeof(master));
	if (sendmsg(socket, &m, MSG_NOSIGNAL) == 1)
		return;
	s->error = errno;
	s->failed = "terminal";
	_exit(127);
}

int terminal_receive(int socket)
{
	char c;
	struct iovec iov = { &c, 1 };
	union rights rights = { 0 };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &rights,
			    .msg_controllen = sizeof(rights) };
	struct cmsghdr *h;
	ssize_t n;
	int fd;

	do {
		n = recvmsg(socket, &m, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n != 1)
		return n ? -errno : -EPIPE;
	h = CMSG_FIRSTHDR(&m);
	/* The message comes without it when there is no descriptor left for it. */
	if (!h || h->cmsg_type != SCM_RIGHTS)
		return -EMFILE;
	memcpy(&fd, CMSG_DATA(h), sizeof(fd));
	return fd;
}

static struct termios before;
static bool changed;

void terminal_restore(void)
{
	if (changed)
		tcsetattr(0, TCSADRAIN, &before);
	changed = false;
}

int terminal_raw(void)
{
	struct termios raw;

	if (tcgetattr(0, &before))
		return -errno;
	raw = before;
	cfmakeraw(&raw);
	if (tcsetattr(0, TCSADRAIN, &raw))
		return -errno;
	changed = true;
	atexit(terminal_restore);
	return 0;
}

void terminal_copy_size(int master)
{
	struct winsize size;

	if (!ioctl(0, TIOCGWINSZ, &size))
		ioctl(master, TIOCSWINSZ, &size);
}
