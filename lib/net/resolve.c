// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * resolve.c - every address of a host, in the order in which they are tried.
 *
 * A name may stand for several addresses, and a server listens at some of them only: with the hosts
 * file that most systems come with, localhost is ::1 as well as 127.0.0.1. So no caller takes the
 * first address alone.
 *
 * Nor are those left out whose family no interface seems to have (AI_ADDRCONFIG): loopback
 * addresses do not count there, so that a host which has IPv6 only would never try 127.0.0.1. To
 * try what cannot be reached costs nothing; it fails at once.
 */
#include "api/log.h"
#include "net/net.h"
#include "private/resolve.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* RFC 6761, 6.3: these names always mean the loopback addresses, and no resolver is asked. */
static bool is_localhost(const char *host)
{
	static const char name[] = "localhost";
	size_t n = strlen(host), length = sizeof(name) - 1;

	if (n && host[n - 1] == '.')
		n--;
	return n >= length && !strncasecmp(host + n - length, name, length) &&
	       (n == length || host[n - length - 1] == '.');
}

static bool is_own_name(const char *host)
{
	char name[256];

	return !gethostname(name, sizeof(name)) && !strncasecmp(host, name, sizeof(name));
}

int resolve_host(const char *host, uint16_t port, struct sockaddr_storage to[RESOLVE_MAX])
{
	const char *why;
	socklen_t length;
	int n;

	if (!address_numeric(host, port, &to[0], &length))
		return 1;
	if (is_localhost(host))
		return resolve_list("127.0.0.1,::1", port, to);
	n = lookup_host(host, port, to, RESOLVE_MAX, &why);
	/*
	 * Many a machine does not know its own name, which a snapshot has in its reference that
	 * listens at all addresses.
	 */
	if (n == -EHOSTUNREACH && is_own_name(host))
		return resolve_list("127.0.0.1,::1", port, to);
	if (n < 0 && why)
		log_error("%s: %s", host, why);
	return n;
}

int resolve_list(const char *list, uint16_t port, struct sockaddr_storage to[RESOLVE_MAX])
{
	int n = 0;

	for (const char *at = list;; at++) {
		char text[ADDRESS_TEXT_MAX];
		size_t end = strcspn(at, ",");
		socklen_t length;

		if (end >= sizeof(text) || n == RESOLVE_MAX)
			return -EINVAL;
		memcpy(text, at, end);
		text[end] = '\0';
		if (address_numeric(text, port, &to[n++], &length))
			return -EINVAL;
		at += end;
		if (!*at)
			return n;
	}
}
