// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * connection.c - a stream that is connected to somebody else, who goes on talking to the parent:
 * the child sees that the other side has gone, which every program knows what to do about. Over IP
 * that is a reset, of a connection to ourselves; a unix socket is at its end.
 */
#include "state/files/sockets.h"

FILE_KIND_COMPLETE(connection)

struct connection_state {
	uint32_t domain, type;
	uint32_t peer;			/* inode of a unix socket's other end; 0: it has gone */
	uint32_t ended;			/* the parent's, too, and nothing waits to be read */
};

#ifdef IN_SHADOW

#include "capture/fdinfo.h"
#include "pie/freestanding.h"
#include "shadow/read.h"

bool connection_is(const struct descriptor_file *f, const char *path)
{
	return S_ISSOCK(f->mode) && text_begins(path, "socket:[");
}

bool connection_read(struct snapshot *s, struct descriptor_file *f, uint32_t fd, const char *fdinfo)
{
	const struct capture_socket *noted = (const void *)fdinfo;
	struct connection_state state = { 0 };
	struct unix_facts facts;

	if (!noted || !noted->connected ||
	    !socket_get(fd, SOL_SOCKET, SO_DOMAIN, &state.domain, 4) ||
	    !socket_get(fd, SOL_SOCKET, SO_TYPE, &state.type, 4) || state.type == SOCK_DGRAM)
		return false;
	state.ended = noted->connected == CAPTURE_ENDED && !noted->waiting;
	if (state.domain == AF_UNIX) {
		if (!unix_facts_of(f->inode, &facts))
			return false;
		state.peer = facts.peer;
		state.ended = !facts.peer && !noted->waiting;
	} else if ((state.domain != AF_INET && state.domain != AF_INET6) ||
		   state.type != SOCK_STREAM) {
		return false;
	}
	return file_set_payload(s, f, &state, sizeof(state));
}

#endif
#ifdef IN_LIBRARY

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

bool connection_check(const struct descriptor *d, const struct descriptor_file *f)
{
	const struct connection_state *state = file_payload(d, f, sizeof(*state));

	return state && f->payload_bytes == sizeof(*state) && state->ended <= 1 &&
	       (state->domain == AF_UNIX || state->domain == AF_INET ||
		state->domain == AF_INET6) &&
	       (state->type == SOCK_STREAM ||
		(state->type == SOCK_SEQPACKET && state->domain == AF_UNIX));
}

/* To whom all that are to be reset are connected. */
static int listen_to_ourselves(struct opening *o)
{
	struct sockaddr_in here = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};

	o->resetter = network_socket(o->network, AF_INET,
				     SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (o->resetter < 0)
		return -errno;
	if (bind(o->resetter, (void *)&here, sizeof(here)) || listen(o->resetter, 8)) {
		close(o->resetter);
		o->resetter = -1;
		return -ENOENT;
	}
	return 0;
}

static uint16_t port_of(const struct sockaddr_storage *a)
{
	return a->ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)a)->sin6_port :
					  ((const struct sockaddr_in *)a)->sin_port;
}

/* IPv6 needs no address for this. */
static socklen_t address_of_ourselves(const struct opening *o, int domain,
				      struct sockaddr_storage *to)
{
	struct sockaddr_in here;
	struct sockaddr_in6 mapped = { .sin6_family = AF_INET6 };
	socklen_t length = sizeof(here);

	memset(to, 0, sizeof(*to));
	if (getsockname(o->resetter, (void *)&here, &length))
		return 0;
	if (domain == AF_INET) {
		memcpy(to, &here, sizeof(here));
		return sizeof(here);
	}
	mapped.sin6_port = here.sin_port;
	memset(mapped.sin6_addr.s6_addr + 10, 0xff, 2);
	memcpy(mapped.sin6_addr.s6_addr + 12, &here.sin_addr, 4);
	memcpy(to, &mapped, sizeof(mapped));
	return sizeof(mapped);
}

#define PATIENCE_MS 1000

static bool await(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, PATIENCE_MS) == 1 && p.revents & events;
}

/* The other side hangs up on it, and on whoever else has come. */
static bool reset(int resetter, int fd)
{
	const struct linger at_once = { 1, 0 };
	struct sockaddr_storage own, peer;
	socklen_t length = sizeof(own);
	bool mine = false;

	if (getsockname(fd, (void *)&own, &length))
		return false;
	for (int i = 0; i < 64 && !mine && await(resetter, POLLIN); i++) {
		int other;

		length = sizeof(peer);
		other = accept4(resetter, (void *)&peer, &length, SOCK_CLOEXEC);
		if (other < 0)
			continue;
		mine = port_of(&peer) == port_of(&own);
		setsockopt(other, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
		close(other);
	}
	return mine && await(fd, POLLHUP);
}

static int reset_connection(struct opening *o, int domain)
{
	struct sockaddr_storage to;
	socklen_t length;
	int err = o->resetter < 0 ? listen_to_ourselves(o) : 0, fd;

	if (err)
		return err;
	length = address_of_ourselves(o, domain, &to);
	fd = network_socket(o->network, domain, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno == EMFILE || errno == ENFILE ? -errno : -ENOENT;
	if (!length || (connect(fd, (void *)&to, length) && errno != EINPROGRESS) ||
	    !await(fd, POLLOUT) || !reset(o->resetter, fd)) {
		close(fd);
		return -ENOENT;
	}
	return fd;
}

int connection_lost(struct opening *o, uint32_t file, int domain, int type, bool ended)
{
	int ends[2] = { -1, -1 };

	if (domain != AF_UNIX) {
		ends[0] = reset_connection(o, domain);
		if (ends[0] < 0)
			return ends[0];
		/* So far it does not wait. */
		if (!(opening_file(o, file)->open_flags & O_NONBLOCK) &&
		    fcntl(ends[0], F_SETFL, 0)) {
			close(ends[0]);
			return -ENOENT;
		}
	} else {
		if (network_pair(o->network, type | SOCK_CLOEXEC, ends))
			return -errno;
		close(ends[1]);
	}
	if (!ended)
		opening_count_connection(o, file);
	return file_set_flags(ends[0], opening_file(o, file));
}

int connection_open(struct opening *o, uint32_t file)
{
	const struct descriptor_file *f = opening_file(o, file);
	const struct connection_state *state = file_payload(o->d, f, sizeof(*state));

	/* With both ends here, and something on its way. */
	for (uint32_t i = 0; state->peer && i < o->d->files.count; i++)
		if (S_ISSOCK(opening_file(o, i)->mode) && opening_file(o, i)->inode == state->peer)
			return -ENOENT;
	return connection_lost(o, file, (int)state->domain, (int)state->type, state->ended);
}

#endif
