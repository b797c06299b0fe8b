// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* local.c - connections to the shadows of this host, by the names of format/registry.h. */
#include "net/net.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

int local_connect(const char *name, unsigned int timeout_ms, struct ucred *who)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000 };
	socklen_t length = sizeof(*who);
	int fd, err = 0;

	if (strlen(name) > sizeof(a.sun_path) - 2)
		return -EINVAL;
	memcpy(a.sun_path + 1, name, strlen(name));
	fd = socket_above_streams(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC);
	if (fd < 0)
		return fd;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&a,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name))) ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, who, &length))
		err = -errno;
	else if (geteuid() && who->uid != geteuid())
		err = -EACCES;
	if (!err)
		return fd;
	close(fd);
	return err;
}
