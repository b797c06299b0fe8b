// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* tcp.c - connections to shadows, and the sockets that these listen on. */
#include "api/log.h"
#include "net/net.h"
#include "private/resolve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 2000u /* with an address, where there are others: two packets may get lost */

static char *append_number(char *to, unsigned int n)
{
	char digits[12];
	int i = 0;

	do {
		digits[i++] = (char)('0' + n % 10);
	} while (n /= 10);
	while (i)
		*to++ = digits[--i];
	*to = '\0';
	return to;
}

/* What peers shall connect to: the address itself, this host's name where it is a wildcard. */
static void name_listener(const struct sockaddr_storage *a, char address[256])
{
	const struct sockaddr_in *in = (const void *)a;
	const struct sockaddr_in6 *in6 = (const void *)a;
	char *at = address;
	bool any;

	if (a->ss_family == AF_INET)
		any = in->sin_addr.s_addr == htonl(INADDR_ANY);
	else
		any = IN6_IS_ADDR_UNSPECIFIED(&in6->sin6_addr);
	if (any) {
		gethostname(at, 200);
		at[200] = '\0';
		at += strlen(at);
	} else if (a->ss_family == AF_INET) {
		inet_ntop(AF_INET, &in->sin_addr, at, INET_ADDRSTRLEN);
		at += strlen(at);
	} else {
		*at++ = '[';
		inet_ntop(AF_INET6, &in6->sin6_addr, at, INET6_ADDRSTRLEN);
		at += strlen(at);
		*at++ = ']';
	}
	*at++ = ':';
	append_number(at, ntohs(a->ss_family == AF_INET ? in->sin_port : in6->sin6_port));
}

int socket_above_streams(int family, int type)
{
	int fd = socket(family, type, 0), above;

	if (fd < 0)
		return -errno;
	if (fd > STDERR_FILENO)
		return fd;
	above = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (above < 0)
		above = -errno;
	close(fd);
	return above;
}

int tcp_listen(const char *where, char address[256])
{
	struct sockaddr_storage a;
	socklen_t length;
	int err = address_listen(where ? where : "127.0.0.1", &a, &length), fd, one = 1;

	if (err) {
		log_error("%s: not an address to listen at: expected ADDRESS, ADDRESS:PORT or [IPV6]:PORT, no name",
			  where);
		return err;
	}
	fd = socket_above_streams(a.ss_family, SOCK_STREAM | SOCK_CLOEXEC);
	if (fd < 0)
		return fd;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&a, length) || listen(fd, 128) ||
	    getsockname(fd, (struct sockaddr *)&a, &length)) {
		err = -errno;
		log_error("%s: cannot listen: %s", where ? where : "127.0.0.1",
			  strerrordesc_np(-err));
		close(fd);
		return err;
	}
	name_listener(&a, address);
	return fd;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* 0 or -errno. */
static int await_connection(int fd, uint64_t until_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	int n, err = 0;
	socklen_t length = sizeof(err);

	do {
		uint64_t now = now_ms();

		n = poll(&p, 1, now < until_ms ? (int)(until_ms - now) : 0);
	} while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n ? -errno : -ETIMEDOUT;
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &length) ? -errno : -err;
}

static int connect_one(const struct sockaddr_storage *a, uint64_t until_ms)
{
	int fd = socket_above_streams(a->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK);
	int one = 1, err = 0;

	if (fd < 0)
		return fd;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, (const struct sockaddr *)a, address_length(a)))
		err = errno == EINPROGRESS ? await_connection(fd, until_ms) : -errno;
	/* Blocking from here on, with a limit on silence; the pager sets its own way. */
	if (!err && fcntl(fd, F_SETFL, 0) < 0)
		err = -errno;
	if (!err)
		return fd;
	close(fd);
	return err;
}

/* How much the error of one address says, where all have failed. */
static int weight(int err)
{
	switch (-err) {
	case EAFNOSUPPORT:
	case EADDRNOTAVAIL:
	case ENETUNREACH:
		return 1;		/* nothing but that this host has no way there */
	case ECONNREFUSED:
		return 3;		/* a host is there, and nobody listens */
	default:
		return 2;
	}
}

/*
 * When to leave an address for the next: the time that is left is shared, but a packet may get
 * lost.
 */
static uint64_t patience(uint64_t until_ms, int left)
{
	uint64_t now = now_ms(), rest = now < until_ms ? until_ms - now : 0,
		 share = rest / (unsigned int)left;

	if (share < PATIENCE_MS)
		share = rest < PATIENCE_MS ? rest : PATIENCE_MS;
	return now + share;
}

int tcp_connect(const struct reference *ref, unsigned int timeout_ms)
{
	struct sockaddr_storage list[RESOLVE_MAX];
	uint64_t until_ms;
	char address[ADDRESS_TEXT_MAX], tried[32] = "";
	const char *why = "";
	int n, worst = 0, err = 0;

	n = ref->addresses ? resolve_list(ref->addresses, ref->port, list)
			   : resolve_host(ref->host, ref->port, list);
	if (n < 0)
		return n;
	/* What the resolver takes is no silence of the host. */
	until_ms = now_ms() + timeout_ms;
	for (int i = 0; i < n; i++) {
		int fd = connect_one(&list[i], patience(until_ms, n - i));

		if (fd >= 0)
			return fd;
		if (err && weight(fd) < weight(err))
			continue;
		err = fd;
		worst = i;
	}
	address_text(&list[worst], address);
	if (n > 1)
		snprintf(tried, sizeof(tried), " (%d addresses tried)", n);
	/* Shadows end with their parents, by default, and then nobody listens there. */
	if (err == -ECONNREFUSED)
		why = ": no snapshot is served there; its parent has ended, or it was released";
	else if (err == -EMFILE)
		why = " (see ulimit -n)";
	if (strcmp(address, ref->host))
		log_error("%s: cannot connect: %s: %s%s%s", ref->address, address, strerror(-err),
			  tried, why);
	else
		log_error("%s: cannot connect: %s%s%s", ref->address, strerror(-err), tried, why);
	return err;
}
