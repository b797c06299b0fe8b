/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* sockets.h - what the kinds of sockets share: socketpair.c, connection.c, socket.c. */
#ifndef MITOSIS_SOCKETS_H
#define MITOSIS_SOCKETS_H

#include "state/files/kind.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

enum socket_flags {
	SOCKET_LISTENS		= 1u << 0,
	SOCKET_REUSES_ADDRESS	= 1u << 1,	/* SO_REUSEADDR */
	SOCKET_SHARES_PORT	= 1u << 2,	/* SO_REUSEPORT */
	SOCKET_FILTERED		= 1u << 3,	/* by SO_ATTACH_FILTER, which is not carried over */
	SOCKET_SEND_BYTES	= 1u << 4,	/* it has chosen the size of this buffer */
	SOCKET_RECEIVE_BYTES	= 1u << 5,
	SOCKET_LINGERS		= 1u << 6,
	SOCKET_HAS_FILE		= 1u << 7,	/* .mode, .uid and .gid are those of its file */
	SOCKET_MEMBER		= 1u << 8,	/* of a multicast group, which it is not there */
	SOCKET_WAITING		= 1u << 9,	/* something had arrived that was not read */
	SOCKET_MORE_OPTIONS	= 1u << 10,	/* than those that are carried over */
	SOCKET_KNOWN_FLAGS	= (1u << 11) - 1,
};

#define SOCKET_OPTIONS_MAX	128u

/*
 * A socket that is connected to nobody, or without a connection; of one of a pair its options
 * alone.
 */
struct socket_state {
	uint32_t domain, type, protocol;
	uint32_t flags;			/* enum socket_flags */
	uint32_t backlog;		/* of one that listens; 0: not known */
	uint32_t mode, uid, gid;
	uint32_t name_bytes, peer_bytes;
	uint32_t send_bytes, receive_bytes;
	uint32_t linger_s;
	uint32_t groups;		/* netlink */
	int64_t send_s, send_us, receive_s, receive_us;	/* how long it waits; 0: for ever */
	uint64_t pacing;		/* SO_MAX_PACING_RATE */
	uint64_t given[SOCKET_OPTIONS_MAX / 64];	/* which of the options it has */
	int32_t options[SOCKET_OPTIONS_MAX];	/* in the order of socket-options.c */
	char device[16];		/* SO_BINDTODEVICE */
	char congestion[16];		/* TCP_CONGESTION */
	char name[112], peer[112];	/* addresses */
};

enum { PAIR_SHUT_READ = 1, PAIR_SHUT_WRITE = 2, PAIR_KNOWN = 3 };

/* One of two that are connected to each other. */
struct pair_state {
	uint32_t peer;			/* its inode */
	uint32_t flags;
	struct socket_state socket;	/* .name and what is about that it has not */
};

#ifdef IN_SHADOW
struct unix_facts {
	uint32_t peer;			/* its inode; 0: none */
	uint32_t shut;			/* 1: for reading, 2: for writing */
	uint32_t backlog;
	uint32_t file_inode, file_device;	/* that it is bound to; 0: none */
};

/* unix-diag.c: false where this kernel does not tell. */
bool unix_facts_of(uint64_t inode, struct unix_facts *facts);
bool socket_get(uint32_t fd, int level, int option, void *value, uint32_t bytes);
/* socket-options.c: all of them. False: they cannot be read. */
bool socket_options_read(uint32_t fd, struct socket_state *state);
/* multicast.c */
bool socket_is_member(struct snapshot *s, uint32_t fd, uint32_t domain);
#endif

#ifdef IN_LIBRARY
bool socket_options_check(const struct socket_state *state);
/* Has this process the interfaces of the parent, so that their numbers mean the same? */
bool socket_has_same_interfaces(const struct opening *o);
/* All but those that decide who may share the address; what fails is named. */
void socket_options_set(struct opening *o, uint32_t file, const struct socket_state *state, int fd);
/* The kernel says twice what it was told. */
bool socket_set_bytes(int fd, int option, uint32_t bytes);
/*
 * connection.c: a socket whose other side has gone; unless the parent's has, too, it is counted,
 * and named with all others. -ENOENT: none can be had.
 */
int connection_lost(struct opening *o, uint32_t file, int domain, int type, bool ended);
/* Would --publish give it another name? */
void socket_try_publish(const struct opening *o, uint32_t file);
/* socket-bind.c: give it its name, or what publish.h says. 0, -ENOENT, or -errno when told. */
int socket_bind(struct opening *o, uint32_t file, const struct socket_state *state, int fd);
/*
 * The same: the number that the interface of a link-local address has where the socket is. False:
 * there is none.
 */
bool socket_find_scope(const struct opening *o, const struct socket_state *state,
		       struct sockaddr_storage *a, int fd);
/* The same: what it asked for about others who may have its name, once it has that or none. */
void socket_may_share(struct opening *o, uint32_t file, const struct socket_state *state, int fd);
#endif

#endif
