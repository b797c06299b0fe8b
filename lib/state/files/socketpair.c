// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * socketpair.c - two unix sockets that are connected to each other, both in the process and none
 * elsewhere, with nothing on its way. What a socket is connected to only NETLINK_SOCK_DIAG tells.
 */
#include "state/files/sockets.h"

#include <sys/time.h>

FILE_KIND_COMPLETE(socketpair)

enum { PAIR_CREDENTIALS = 1, PAIR_SHUT_READ = 2, PAIR_SHUT_WRITE = 4, PAIR_KNOWN = 7 };

struct pair_state {
	uint32_t peer;			/* its inode */
	uint32_t type;			/* SOCK_* */
	uint32_t send_bytes, receive_bytes;	/* of its buffers */
	uint32_t flags;
	uint32_t reserved;
	int64_t send_s, send_us, receive_s, receive_us;	/* how long it waits; 0: for ever */
};

#ifdef IN_SHADOW

#include "capture/fdinfo.h"
#include "pie/freestanding.h"
#include "shadow/read.h"

bool socketpair_is(const struct descriptor_file *f, const char *path)
{
	return S_ISSOCK(f->mode) && text_begins(path, "socket:[");
}

/* A call that fails tells nothing else. */
static bool is_named(uint32_t fd, long call)
{
	struct { uint16_t family; char path[110]; } name;
	uint32_t length = sizeof(name);

	return sys(call, fd, &name, &length) < 0 || length > sizeof(name.family);
}

bool socketpair_read(struct snapshot *s, struct descriptor_file *f, uint32_t fd, const char *fdinfo)
{
	const struct capture *c = &s->args.capture;
	struct pair_state state = { 0 };
	uint32_t domain, credentials;
	struct timeval send, receive;
	struct unix_facts facts;

	/* One that has a name may be connected to once more; to one that has, it was. */
	if (!socket_get(fd, SOL_SOCKET, SO_DOMAIN, &domain, 4) || domain != AF_UNIX ||
	    c->sockets_lost || is_named(fd, SYS_getsockname) || is_named(fd, SYS_getpeername))
		return false;
	for (uint32_t i = 0; i < c->socket_count; i++)
		if (c->sockets[i] == f->inode)
			return false;
	if (!unix_facts_of(f->inode, &facts) || !facts.peer ||
	    !socket_get(fd, SOL_SOCKET, SO_TYPE, &state.type, 4) ||
	    !socket_get(fd, SOL_SOCKET, SO_SNDBUF, &state.send_bytes, 4) ||
	    !socket_get(fd, SOL_SOCKET, SO_RCVBUF, &state.receive_bytes, 4) ||
	    !socket_get(fd, SOL_SOCKET, SO_PASSCRED, &credentials, 4) ||
	    !socket_get(fd, SOL_SOCKET, SO_SNDTIMEO, &send, sizeof(send)) ||
	    !socket_get(fd, SOL_SOCKET, SO_RCVTIMEO, &receive, sizeof(receive)))
		return false;
	state.peer = facts.peer;
	state.flags |= (facts.shut & 1 ? PAIR_SHUT_READ : 0) |
		       (facts.shut & 2 ? PAIR_SHUT_WRITE : 0);
	if (credentials)
		state.flags |= PAIR_CREDENTIALS;
	state.send_s = send.tv_sec;
	state.send_us = send.tv_usec;
	state.receive_s = receive.tv_sec;
	state.receive_us = receive.tv_usec;
	return file_set_payload(s, f, &state, sizeof(state));
}

#endif
#ifdef IN_LIBRARY

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

bool socketpair_check(const struct descriptor *d, const struct descriptor_file *f)
{
	const struct pair_state *state = file_payload(d, f, sizeof(*state));

	return state && f->payload_bytes == sizeof(*state) &&
	       !(state->flags & ~(uint32_t)PAIR_KNOWN) && !state->reserved &&
	       (state->type == SOCK_STREAM || state->type == SOCK_DGRAM ||
		state->type == SOCK_SEQPACKET) &&
	       state->send_bytes <= INT32_MAX && state->receive_bytes <= INT32_MAX;
}

static bool is_here(const struct opening *o, uint32_t inode)
{
	for (uint32_t i = 0; i < o->d->files.count; i++)
		if (S_ISSOCK(opening_file(o, i)->mode) && opening_file(o, i)->inode == inode)
			return true;
	return false;
}

/* The index of the other end; the number of files if it cannot be had. */
static uint32_t find_peer(const struct opening *o, uint32_t file)
{
	const struct descriptor_file *f = opening_file(o, file);
	const struct pair_state *state = file_payload(o->d, f, sizeof(*state));

	for (uint32_t i = 0; i < o->d->files.count; i++) {
		const struct descriptor_file *other = opening_file(o, i);
		const struct pair_state *others;

		if (i == file || other->kind != FILE_SOCKETPAIR || other->inode != state->peer)
			continue;
		others = file_payload(o->d, other, sizeof(*others));
		if (others->peer == f->inode && others->type == state->type &&
		    opening_has_number(o, i) && o->opened[i] < 0 &&
		    !(other->flags & (FILE_ELSEWHERE | FILE_LATE)))
			return i;
	}
	return o->d->files.count;
}

/* But for what is shut, which is for both ends. */
static void set_up(struct opening *o, uint32_t file, int fd)
{
	const struct pair_state *state = file_payload(o->d, opening_file(o, file), sizeof(*state));
	const struct timeval send = { state->send_s, state->send_us },
			     receive = { state->receive_s, state->receive_us };
	const int one = 1;

	if (!socket_set_bytes(fd, SO_SNDBUF, state->send_bytes) ||
	    !socket_set_bytes(fd, SO_RCVBUF, state->receive_bytes))
		opening_lost(o, file, "has buffers of another size (net.core.wmem_max, rmem_max)");
	if ((state->flags & PAIR_CREDENTIALS &&
	     setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one))) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &send, sizeof(send)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &receive, sizeof(receive)))
		opening_lost(o, file, "has not all options");
}

static void shut(const struct opening *o, uint32_t file, int fd)
{
	const struct pair_state *state = file_payload(o->d, opening_file(o, file), sizeof(*state));

	if (state->flags & PAIR_SHUT_READ)
		shutdown(fd, SHUT_RD);
	if (state->flags & PAIR_SHUT_WRITE)
		shutdown(fd, SHUT_WR);
}

int socketpair_open(struct opening *o, uint32_t file)
{
	const struct descriptor_file *f = opening_file(o, file);
	const struct pair_state *state = file_payload(o->d, f, sizeof(*state));
	uint32_t peer = find_peer(o, file);
	int ends[2], err;

	if (peer == o->d->files.count)
		return is_here(o, state->peer) ? -ENOENT :
		       connection_lost(o, file, AF_UNIX, (int)state->type, false);
	if (socketpair(AF_UNIX, (int)state->type | SOCK_CLOEXEC, 0, ends))
		return -errno;
	set_up(o, file, ends[0]);
	set_up(o, peer, ends[1]);
	shut(o, file, ends[0]);
	shut(o, peer, ends[1]);
	ends[1] = file_set_flags(ends[1], opening_file(o, peer));
	err = ends[1] < 0 ? ends[1] : opening_keep(o, peer, ends[1]);
	if (err) {
		close(ends[0]);
		return err;
	}
	return file_set_flags(ends[0], f);
}

#endif
