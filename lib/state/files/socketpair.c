// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * socketpair.c - two unix sockets that are connected to each other, both in the process and none
 * elsewhere, with nothing on its way. What a socket is connected to only NETLINK_SOCK_DIAG tells.
 */
#include "state/files/sockets.h"

FILE_KIND_COMPLETE(socketpair)

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
	struct unix_facts facts;

	/* One that has a name may be connected to once more; to one that has, it was. */
	if (!socket_get(fd, SOL_SOCKET, SO_DOMAIN, &state.socket.domain, 4) ||
	    state.socket.domain != AF_UNIX ||
	    c->sockets_lost || is_named(fd, SYS_getsockname) || is_named(fd, SYS_getpeername))
		return false;
	for (uint32_t i = 0; i < c->socket_count; i++)
		if (c->sockets[i] == f->inode)
			return false;
	if (!unix_facts_of(f->inode, &facts) || !facts.peer ||
	    !socket_get(fd, SOL_SOCKET, SO_TYPE, &state.socket.type, 4) ||
	    !socket_options_read(fd, &state.socket))
		return false;
	state.peer = facts.peer;
	state.flags |= (facts.shut & 1 ? PAIR_SHUT_READ : 0) |
		       (facts.shut & 2 ? PAIR_SHUT_WRITE : 0);
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
	       !(state->flags & ~(uint32_t)PAIR_KNOWN) && state->socket.domain == AF_UNIX &&
	       !(state->socket.flags & ~(uint32_t)SOCKET_KNOWN_FLAGS) &&
	       state->socket.linger_s <= INT32_MAX &&
	       (state->socket.type == SOCK_STREAM || state->socket.type == SOCK_DGRAM ||
		state->socket.type == SOCK_SEQPACKET) &&
	       socket_options_check(&state->socket);
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
		if (others->peer == f->inode && others->socket.type == state->socket.type &&
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

	if (!socket_set_bytes(fd, SO_SNDBUF, state->socket.send_bytes) ||
	    !socket_set_bytes(fd, SO_RCVBUF, state->socket.receive_bytes))
		opening_lost(o, file, "has buffers of another size (net.core.wmem_max, rmem_max)");
	socket_options_set(o, file, &state->socket, fd);
	socket_may_share(o, file, &state->socket, fd);
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
		       connection_lost(o, file, AF_UNIX, (int)state->socket.type, false);
	if (network_pair(o->network, (int)state->socket.type | SOCK_CLOEXEC, ends))
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
