// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * reference.c - mitosis://HOST:PORT/UUID, the name of a snapshot and the right to use it. With
 * mitosis+rdma:// its pages are served by the kernel module of that host.
 */
#include "api/log.h"
#include "format/reference.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uuid/uuid.h>

static const char *const schemes[] = {
	[REFERENCE_PLAIN] = "mitosis://",
	[REFERENCE_RDMA] = "mitosis+rdma://",
};

int reference_parse(struct reference *ref, const char *text)
{
	const char *host = NULL, *host_end, *colon, *slash;
	unsigned long port;
	char uuid[UUID_STR_LEN], *end;

	memset(ref, 0, sizeof(*ref));
	for (size_t i = 0; i < ARRAY_SIZE(schemes) && !host; i++) {
		if (strncmp(text, schemes[i], strlen(schemes[i])))
			continue;
		ref->scheme = (enum reference_scheme)i;
		host = text + strlen(schemes[i]);
	}
	if (!host)
		return -EINVAL;
	slash = strchr(host, '/');
	if (!slash)
		return -EINVAL;
	if (*host == '[') {
		host++;
		host_end = memchr(host, ']', (size_t)(slash - host));
		if (!host_end || host_end[1] != ':')
			return -EINVAL;
		colon = host_end + 1;
	} else {
		colon = memchr(host, ':', (size_t)(slash - host));
		host_end = colon;
	}
	if (!colon || host_end == host || (size_t)(host_end - host) >= sizeof(ref->host))
		return -EINVAL;
	port = strtoul(colon + 1, &end, 10);
	if (end == colon + 1 || end != slash || !port || port > 65535 || colon[1] < '0' ||
	    colon[1] > '9')
		return -EINVAL;
	if (strlen(slash + 1) != UUID_STR_LEN - 1)
		return -EINVAL;
	memcpy(uuid, slash + 1, sizeof(uuid));
	if (uuid_parse(uuid, ref->uuid))
		return -EINVAL;
	memcpy(ref->host, host, (size_t)(host_end - host));
	ref->port = (uint16_t)port;
	snprintf(ref->address, sizeof(ref->address), strchr(ref->host, ':') ? "[%s]:%lu" : "%s:%lu",
		 ref->host, port);
	return 0;
}

/* No snprintf here: prepare may run in a signal handler. */
int reference_format(char text[MITOSIS_REF_MAX], const char *address, const uint8_t uuid[16],
		     enum reference_scheme scheme)
{
	static const char digits[] = "0123456789abcdef";
	size_t length = strlen(address);
	char *at = text;

	if (strlen(schemes[scheme]) + length + 1 + UUID_STR_LEN > MITOSIS_REF_MAX)
		return -ENAMETOOLONG;
	at = stpcpy(stpcpy(at, schemes[scheme]), address);
	*at++ = '/';
	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*at++ = '-';
		*at++ = digits[uuid[i] >> 4];
		*at++ = digits[uuid[i] & 15];
	}
	*at = '\0';
	return 0;
}
