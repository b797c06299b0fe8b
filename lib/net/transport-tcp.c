// SPDX-License-Identifier: LGPL-2.1-or-later
/* transport-tcp.c - transport "tcp": connections of the user engine. */
#include "api/log.h"
#include "net/net.h"

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
#include <unistd.h>

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

/* A process without standard streams would take a connection for one of them. */
static int socket_above_streams(int family, int type)
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

static int tcp_listen(const char *where, char address[256])
{
	struct sockaddr_storage a;
	socklen_t length;
	int err = address_listen(where ? where : "127.0.0.1", &a, &length), fd, one = 1;

	if (err) {
		log_error("%s: not an address to listen at: expected ADDRESS, ADDRESS:PORT or [IPV6]:PORT, no name", where);
		return err;
	}
	fd = socket_above_streams(a.ss_family, SOCK_STREAM | SOCK_CLOEXEC);
	if (fd < 0)
		return fd;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&a, length) || listen(fd, 128) ||
	    getsockname(fd, (struct sockaddr *)&a, &length)) {
		err = -errno;
		close(fd);
		return err;
	}
	name_listener(&a, address);
	return fd;
}

static int connect_one(const struct sockaddr_storage *a, unsigned int timeout_ms)
{
	socklen_t length = a->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	int fd = socket_above_streams(a->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK), one = 1, err = 0;
	socklen_t err_length = sizeof(err);
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	if (fd < 0)
		return fd;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, (const struct sockaddr *)a, length)) {
		int n;

		if (errno != EINPROGRESS) {
			err = errno;
			goto out;
		}
		do {
			n = poll(&p, 1, (int)timeout_ms);
		} while (n < 0 && errno == EINTR);
		if (n == 0) {
			err = ETIMEDOUT;
			goto out;
		}
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &err_length);
		if (err)
			goto out;
	}
	/* Blocking from here on, with a limit on silence; the pager sets its own way. */
	if (fcntl(fd, F_SETFL, 0) < 0)
		err = errno;
out:
	if (err) {
		close(fd);
		return -err;
	}
	return fd;
}

static int tcp_connect(const struct reference *ref, unsigned int timeout_ms)
{
	struct sockaddr_storage list[8];
	socklen_t length;
	int n = 1, fd = -EHOSTUNREACH;

	if (address_numeric(ref->host, ref->port, &list[0], &length))
		n = lookup_host(ref->host, ref->port, list, ARRAY_SIZE(list));
	if (n < 0)
		return n;
	for (int i = 0; i < n; i++) {
		fd = connect_one(&list[i], timeout_ms);
		if (fd >= 0)
			break;
	}
	if (fd < 0)
		log_error("%s: cannot connect: %s", ref->address, strerror(-fd));
	return fd;
}

const struct transport transport_tcp = {
	.name = "tcp",
	.listen = tcp_listen,
	.connect = tcp_connect,
};
