/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * own-host.h - does a connection stay on this host? A shadow asks, and its children do, so it calls
 * no library.
 */
#ifndef MITOSIS_OWN_HOST_H
#define MITOSIS_OWN_HOST_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/syscall.h>

#include "sys.h"

/* The address of either end, as IPv6 has it. False: it has none. */
static inline bool own_host_address(long nr, int fd, struct in6_addr *to)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} name = { 0 };
	uint32_t length = sizeof(name);

	if (sys(nr, fd, &name, &length) < 0)
		return false;
	*to = (struct in6_addr){ 0 };
	if (name.any.sa_family == AF_INET) {
		to->s6_addr[10] = to->s6_addr[11] = 0xff;
		to->s6_addr32[3] = name.v4.sin_addr.s_addr;
	} else if (name.any.sa_family == AF_INET6) {
		*to = name.v6.sin6_addr;
	}
	return name.any.sa_family == AF_INET || name.any.sa_family == AF_INET6;
}

/*
 * Have both ends of a connection the same address? Two addresses of one host, or two network
 * namespaces, are taken for two hosts, which costs some speed and nothing else.
 */
static inline bool is_on_own_host(int fd)
{
	struct in6_addr here, there;

	if (!own_host_address(SYS_getsockname, fd, &here) ||
	    !own_host_address(SYS_getpeername, fd, &there))
		return false;
	for (int i = 0; i < 4; i++)
		if (here.s6_addr32[i] != there.s6_addr32[i])
			return false;
	return true;
}

#endif
