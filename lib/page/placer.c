// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* placer.c - the pager's side of PLACE (format/wire.h). */
#include "page/placer.h"
#include "format/registry.h"
#include "net/net.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int placer_connect(uint64_t name, const uint8_t uuid[16], unsigned int timeout_ms)
{
	const uint32_t pid = (uint32_t)name, n = (uint32_t)(name >> 32);
	struct ucred who;
	char text[64];
	int fd, err;

	if (!pid)
		return -ENOENT;
	snprintf(text, sizeof(text), REGISTRY_PREFIX "%u/%" PRIu32, geteuid(), pid);
	if (n)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "/%" PRIu32, n);
	fd = local_connect(text, timeout_ms, &who);
	if (fd < 0)
		return fd;
	/* Who has the userfaultfd may write into the child. */
	err = who.uid == geteuid() ? session_hello(fd, WIRE_FOR_PLACE, uuid) : -EACCES;
	if (!err)
		return fd;
	close(fd);
	return err;
}

int placer_ready(int fd, const char **why)
{
	static char text[WIRE_ERROR_MAX + 1];
	struct wire_frame f;
	int err = session_read(fd, &f, sizeof(f));

	*why = "connection lost";
	if (!err && f.type == WIRE_PLACED)
		return 0;
	if (err || f.type != WIRE_ERROR || f.length > WIRE_ERROR_MAX)
		return err ? err : -EPROTO;
	err = session_read(fd, text, f.length);
	if (err)
		return err;
	text[f.length] = '\0';
	*why = text;
	return -EACCES;
}

int placer_ask(int fd, int uffd, const struct wire_place *runs, uint32_t count, uint32_t pages)
{
	struct wire_frame f = { .type = WIRE_PLACE,
				.length = count * (uint32_t)sizeof(*runs),
				.pages = pages };
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .header = { .cmsg_len = CMSG_LEN(sizeof(int)),
				  .cmsg_level = SOL_SOCKET,
				  .cmsg_type = SCM_RIGHTS } };
	struct iovec iov[] = { { &f, sizeof(f) }, { (void *)(uintptr_t)runs, f.length } };
	struct msghdr h = { .msg_iov = iov, .msg_iovlen = 2 };

	if (uffd >= 0) {
		memcpy(CMSG_DATA(&control.header), &uffd, sizeof(uffd));
		h.msg_control = &control;
		h.msg_controllen = sizeof(control);
	}
	return sendmsg(fd, &h, MSG_NOSIGNAL) == (ssize_t)(sizeof(f) + f.length) ? 0 : -EPIPE;
}

int placer_answer(int fd, uint32_t pages, uint32_t *placed, int *error)
{
	struct wire_frame f;
	int err = session_read(fd, &f, sizeof(f));

	if (err)
		return err;
	if (f.type != WIRE_PLACED || f.pages > pages || (f.pages < pages) != !!f.tag)
		return -EPROTO;
	*placed = f.pages;
	*error = (int)f.tag;
	return 0;
}
