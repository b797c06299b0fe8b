// SPDX-License-Identifier: LGPL-2.1-or-later
/* address.c - numeric addresses; no resolver, so that prepare stays async-signal-safe. */
#include "private/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

int address_numeric(const char *host, uint16_t port, struct sockaddr_storage *to, socklen_t *length)
{
	struct sockaddr_in *in = (void *)to;
	struct sockaddr_in6 *in6 = (void *)to;

	memset(to, 0, sizeof(*to));
	if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		*length = sizeof(*in);
		return 0;
	}
	if (inet_pton(AF_INET6, host, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		*length = sizeof(*in6);
		return 0;
	}
	return -EINVAL;
}

int address_listen(const char *where, struct sockaddr_storage *to, socklen_t *length)
{
	const char *host = where, *end = where + strlen(where), *port = NULL;
	char name[64];
	unsigned long number = 0;

	if (*where == '[') {
		host = where + 1;
		end = strchr(host, ']');
		if (!end || (end[1] && end[1] != ':'))
			return -EINVAL;
		if (end[1])
			port = end + 2;
	} else if (strchr(where, ':') && strchr(where, ':') == strrchr(where, ':')) {
		end = strchr(where, ':');
		port = end + 1;
	}
	if ((size_t)(end - host) >= sizeof(name))
		return -EINVAL;
	memcpy(name, host, (size_t)(end - host));
	name[end - host] = '\0';
	if (port) {
		char *rest;

		number = strtoul(port, &rest, 10);
		if (*port < '0' || *port > '9' || *rest || number > 65535)
			return -EINVAL;
	}
	return address_numeric(name, (uint16_t)number, to, length);
}
