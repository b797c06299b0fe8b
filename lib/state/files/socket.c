// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * socket.c - a socket that is nobody's other end: it listens, has a name, sends to an address, or
 * is as new. The child has one with the same name on its host, where that is free; connections that
 * wait for the parent are the parent's.
 */
#include "state/files/sockets.h"

#include <linux/netlink.h>

#ifdef IN_SHADOW

#include "capture/fdinfo.h"
#include "pie/freestanding.h"
#include "shadow/read.h"

#include <fcntl.h>
#include <netinet/tcp.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP	262
#endif

bool socket_is(const struct descriptor_file *f, const char *path)
{
	return S_ISSOCK(f->mode) && text_begins(path, "socket:[");
}

static bool is_known(const struct socket_state *state)
{
	switch (state->domain) {
	case AF_UNIX:
		return true;
	case AF_NETLINK:
		return state->type == SOCK_RAW || state->type == SOCK_DGRAM;
	case AF_INET:
	case AF_INET6:
		return (state->type == SOCK_STREAM &&
			(state->protocol == IPPROTO_TCP || state->protocol == IPPROTO_MPTCP)) ||
		       (state->type == SOCK_DGRAM && state->protocol == IPPROTO_UDP);
	}
	return false;
}

/* Whose is the file, and who may use it? It may be gone, or another, by now. */
static void read_file(const struct unix_facts *facts, struct socket_state *state)
{
	const struct sockaddr_un *name = (const void *)state->name;
	char path[sizeof(state->name) + 1];
	struct stat st;

	if (!state->name_bytes || !name->sun_path[0])
		return;
	memcpy(path, name->sun_path, sizeof(state->name) - 2);
	path[state->name_bytes - 2] = '\0';
	if (sys(SYS_newfstatat, AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    (uint32_t)st.st_ino != facts->file_inode)
		return;
	state->mode = st.st_mode & 07777;
	state->uid = st.st_uid;
	state->gid = st.st_gid;
	state->flags |= SOCKET_HAS_FILE;
}

static bool read_unix(uint64_t inode, struct socket_state *state)
{
	struct unix_facts facts;

	if (unix_facts_of(inode, &facts)) {
		state->backlog = facts.backlog;
		read_file(&facts, state);
	}
	return true;
}

/* Groups behind the 32nd have no place in an address. */
static bool read_netlink(uint32_t fd, struct socket_state *state)
{
	const struct sockaddr_nl *name = (const void *)state->name;
	uint32_t groups[32] = { 0 }, length = sizeof(groups);

	state->groups = state->name_bytes == sizeof(*name) ? name->nl_groups : 0;
	if (sys(SYS_getsockopt, fd, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, groups, &length) < 0)
		return true;
	for (uint32_t i = 1; i < 32; i++)
		if (groups[i])
			return false;
	return true;
}

static bool read_backlog(uint32_t fd, struct socket_state *state)
{
	struct tcp_info info = { 0 };
	uint32_t length = sizeof(info);

	/* Of a socket that listens it is the length of the queue. */
	if (!sys(SYS_getsockopt, fd, IPPROTO_TCP, TCP_INFO, &info, &length))
		state->backlog = info.tcpi_sacked;
	return true;
}

static bool read_rest(struct snapshot *s, const struct descriptor_file *f, uint32_t fd,
		      struct socket_state *state)
{
	if (state->domain == AF_UNIX)
		return read_unix(f->inode, state);
	if (state->domain == AF_NETLINK)
		return read_netlink(fd, state);
	if (state->type == SOCK_DGRAM && socket_is_member(s, fd, state->domain))
		state->flags |= SOCKET_MEMBER;
	return !(state->flags & SOCKET_LISTENS) || read_backlog(fd, state);
}

bool socket_read(struct snapshot *s, struct descriptor_file *f, uint32_t fd, const char *fdinfo)
{
	struct socket_state *state = (void *)s->scratch;
	const struct capture_socket *noted = (const void *)fdinfo;
	uint32_t listens;

	memset(state, 0, sizeof(*state));
	if (!noted || !socket_get(fd, SOL_SOCKET, SO_DOMAIN, &state->domain, 4) ||
	    !socket_get(fd, SOL_SOCKET, SO_TYPE, &state->type, 4) ||
	    !socket_get(fd, SOL_SOCKET, SO_PROTOCOL, &state->protocol, 4) || !is_known(state) ||
	    (noted->connected && state->type != SOCK_DGRAM && state->domain != AF_NETLINK))
		return false;
	state->name_bytes = noted->name_bytes;
	state->peer_bytes = noted->connected ? noted->peer_bytes : 0;
	memcpy(state->name, (const char *)(noted + 1), noted->name_bytes);
	memcpy(state->peer, (const char *)(noted + 1) + noted->name_bytes, state->peer_bytes);
	/* The family alone is no name. */
	if (state->domain == AF_UNIX && state->name_bytes <= sizeof(uint16_t))
		state->name_bytes = 0;
	/* One of a pair, with something on its way. */
	if (state->domain == AF_UNIX && noted->connected && state->peer_bytes <= sizeof(uint16_t))
		return false;
	if (state->domain == AF_NETLINK)
		state->peer_bytes = 0;
	if (noted->waiting)
		state->flags |= SOCKET_WAITING;
	if (noted->listens) {
		/* It can be told to stop. */
		if (!socket_get(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, 4) || !listens)
			return false;
		state->flags |= SOCKET_LISTENS;
	}
	return read_rest(s, f, fd, state) && socket_options_read(fd, state) &&
	       file_set_payload(s, f, state, sizeof(*state));
}

#endif
#ifdef IN_LIBRARY

#include "api/log.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

/* None, or one of its family that can be read as such. */
static bool address_is_sound(uint32_t domain, const char address[112], uint32_t bytes)
{
	uint16_t family;

	if (!bytes)
		return true;
	memcpy(&family, address, sizeof(family));
	if (family != domain)
		return false;
	switch (domain) {
	case AF_UNIX:
		return bytes > sizeof(family) && bytes <= sizeof(struct sockaddr_un) + 1;
	case AF_INET:
		return bytes == sizeof(struct sockaddr_in);
	case AF_INET6:
		return bytes == sizeof(struct sockaddr_in6);
	case AF_NETLINK:
		return bytes == sizeof(struct sockaddr_nl);
	}
	return false;
}

/* Of any other kind connect(2) may wait. */
static bool may_have_peer(const struct socket_state *state)
{
	return state->type == SOCK_DGRAM && state->domain != AF_NETLINK &&
	       !(state->flags & SOCKET_LISTENS);
}

bool socket_check(const struct descriptor *d, const struct descriptor_file *f)
{
	const struct socket_state *state = file_payload(d, f, sizeof(*state));

	return state && f->payload_bytes == sizeof(*state) &&
	       !(state->flags & ~(uint32_t)SOCKET_KNOWN_FLAGS) &&
	       (state->domain == AF_UNIX || state->domain == AF_INET || state->domain == AF_INET6 ||
		state->domain == AF_NETLINK) &&
	       (state->type == SOCK_STREAM || state->type == SOCK_DGRAM ||
		state->type == SOCK_SEQPACKET || state->type == SOCK_RAW) &&
	       (state->type != SOCK_RAW || state->domain == AF_NETLINK) &&
	       state->protocol <= INT32_MAX && state->backlog <= INT32_MAX &&
	       state->linger_s <= INT32_MAX && !(state->mode & ~07777u) &&
	       address_is_sound(state->domain, state->name, state->name_bytes) &&
	       address_is_sound(state->domain, state->peer, state->peer_bytes) &&
	       (!state->peer_bytes || may_have_peer(state)) &&
	       socket_options_check(state);
}

static int do_listen(struct opening *o, uint32_t file, const struct socket_state *state, int fd)
{
	struct tcp_info info = { 0 };
	socklen_t length = sizeof(info);

	if (listen(fd, state->backlog ? (int)state->backlog : SOMAXCONN))
		return opening_refuse(o, file, errno, "it cannot listen: %s", strerror(errno));
	if (state->domain != AF_UNIX && !getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) &&
	    info.tcpi_sacked < state->backlog)
		opening_lost(o, file, "has a shorter queue (net.core.somaxconn)");
	return 0;
}

/* Where a path leads is a question of the root directory, and of where one is. */
static bool is_reachable(const struct opening *o, const struct sockaddr_un *a)
{
	return !a->sun_path[0] || (a->sun_path[0] == '/' && !o->other_root);
}

static void do_connect(struct opening *o, uint32_t file, const struct socket_state *state, int fd)
{
	struct sockaddr_storage to = { 0 };

	memcpy(&to, state->peer, state->peer_bytes);
	if ((to.ss_family == AF_UNIX && !is_reachable(o, (const void *)&to)) ||
	    !socket_find_scope(o, state, &to, fd) || connect(fd, (void *)&to, state->peer_bytes))
		opening_lost(o, file, "is not connected to where it sent");
}

static int set_up(struct opening *o, uint32_t file, const struct socket_state *state, int fd)
{
	int err = 0;

	socket_options_set(o, file, state, fd);
	if (state->flags & SOCKET_MEMBER)
		opening_lost(o, file, "is in no multicast group");
	if (state->flags & SOCKET_WAITING)
		opening_lost(o, file, "has not got what had arrived");
	if (state->name_bytes)
		err = socket_bind(o, file, state, fd);
	if (!err)
		socket_may_share(o, file, state, fd);
	if (!err && state->flags & SOCKET_LISTENS)
		err = do_listen(o, file, state, fd);
	if (!err && state->peer_bytes)
		do_connect(o, file, state, fd);
	return err;
}

int socket_open(struct opening *o, uint32_t file)
{
	const struct descriptor_file *f = opening_file(o, file);
	const struct socket_state *state = file_payload(o->d, f, sizeof(*state));
	int type = (int)state->type | SOCK_CLOEXEC, err, fd;

	fd = network_socket(o->network, (int)state->domain, type, (int)state->protocol);
	if (fd < 0)
		return errno == EMFILE || errno == ENFILE ? -errno : -ENOENT;
	err = set_up(o, file, state, fd);
	if (err) {
		close(fd);
		return err;
	}
	return file_set_flags(fd, f);
}

/* Whom its signals go to follows. */
int socket_place(const struct descriptor *d, const struct descriptor_file *f, int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (!(f->open_flags & O_ASYNC) || f->owner == OWNER_OTHER)
		return 0;
	return fcntl(fd, F_SETFL, flags | O_ASYNC) ? -errno : 0;
}

#endif
