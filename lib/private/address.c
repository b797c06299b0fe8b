// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* address.c - numeric addresses; no resolver, so that prepare stays async-signal-safe. */
#include "private/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

/* "%eth0" or "%2" behind an address of one link. */
static int scope_of(const char *text, uint32_t *scope)
{
	char *end;

	*scope = if_nametoindex(text);
	if (!*scope && *text >= '0' && *text <= '9') {
		*scope = (uint32_t)strtoul(text, &end, 10);
		if (*end)
			*scope = 0;
	}
	return *scope ? 0 : -EINVAL;
}

int address_numeric(const char *host, uint16_t port, struct sockaddr_storage *to, socklen_t *length)
{
	struct sockaddr_in *in = (void *)to;
	struct sockaddr_in6 *in6 = (void *)to;
	const char *scope = strchr(host, '%');
	size_t n = scope ? (size_t)(scope - host) : strlen(host);
	char name[INET6_ADDRSTRLEN];

	memset(to, 0, sizeof(*to));
	if (inet_pton(AF_INET, host, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		*length = sizeof(*in);
		return 0;
	}
	if (n >= sizeof(name))
		return -EINVAL;
	memcpy(name, host, n);
	name[n] = '\0';
	if (inet_pton(AF_INET6, name, &in6->sin6_addr) == 1 &&
	    (!scope || !scope_of(scope + 1, &in6->sin6_scope_id))) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		*length = sizeof(*in6);
		return 0;
	}
	return -EINVAL;
}

socklen_t address_length(const struct sockaddr_storage *a)
{
	return a->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

void address_text(const struct sockaddr_storage *a, char text[ADDRESS_TEXT_MAX])
{
	const struct sockaddr_in *in = (const void *)a;
	const struct sockaddr_in6 *in6 = (const void *)a;
	char name[IF_NAMESIZE];

	if (a->ss_family == AF_INET) {
		inet_ntop(AF_INET, &in->sin_addr, text, INET_ADDRSTRLEN);
		return;
	}
	inet_ntop(AF_INET6, &in6->sin6_addr, text, INET6_ADDRSTRLEN);
	if (in6->sin6_scope_id && if_indextoname(in6->sin6_scope_id, name))
		strcpy(stpcpy(text + strlen(text), "%"), name);
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
