// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* listen.c - the value of --listen: see listen.h. */
#include "listen.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "address.h"
#include "tool.h"

static int try(const struct sockaddr_storage *a, socklen_t length)
{
	int fd = socket(a->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1, err = 0;

	if (fd < 0)
		return errno;
	/* As the library does: what has ended just now is in nobody's way. */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (const struct sockaddr *)a, length) || listen(fd, 1))
		err = errno;
	close(fd);
	return err;
}

int listen_check(const char *where)
{
	struct sockaddr_storage a;
	socklen_t length;
	int err;

	if (!where)
		return 0;
	if (address_listen(where, &a, &length))
		return tool_usage_error("--listen", "%s: expected ADDRESS, ADDRESS:PORT or "
					"[IPV6]:PORT, and no name", where);
	err = try(&a, length);
	if (!err)
		return 0;
	tool_error("--listen", "%s: %s", where,
		   err == EADDRNOTAVAIL ? "this host has no such address" : strerror(err));
	return STATUS_FAILED;
}
