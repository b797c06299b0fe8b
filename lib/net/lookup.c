// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* lookup.c - host names by the system's resolver. */
#include "net/net.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

int lookup_host(const char *host, uint16_t port, struct sockaddr_storage *to, int max,
		const char **why)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list;
	char service[8];
	int n = 0, err;

	snprintf(service, sizeof(service), "%u", port);
	err = getaddrinfo(host, service, &hints, &list);
	if (err) {
		*why = gai_strerror(err);
		return -EHOSTUNREACH;
	}
	for (struct addrinfo *a = list; a && n < max; a = a->ai_next)
		memcpy(&to[n++], a->ai_addr, a->ai_addrlen);
	freeaddrinfo(list);
	return n;
}
