/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* net.h - how a host is reached: names, connections, and the client's side of the protocol. */
#ifndef MITOSIS_NET_H
#define MITOSIS_NET_H

#include "format/reference.h"
#include "format/wire.h"
#include "private/address.h"

/*
 * lookup.c, or lookup-getent.c in static programs: what the resolver knows of a name. How many, or
 * -errno and *why, NULL: it was logged; -EHOSTUNREACH: it does not know the name. Callers want
 * resolve_host().
 */
int lookup_host(const char *host, uint16_t port, struct sockaddr_storage *to, int max,
		const char **why);

/*
 * tcp.c: a socket that is no standard stream: a process without these would take a connection for
 * one of them. A descriptor or -errno.
 */
int socket_above_streams(int family, int type);
/*
 * tcp.c: a listening descriptor, or -errno, logged; address becomes HOST:PORT as peers shall use
 * it.
 */
int tcp_listen(const char *where, char address[256]);
/* A connected descriptor, or -errno, which is logged. */
int tcp_connect(const struct reference *ref, unsigned int timeout_ms);

struct ucred;

/*
 * local.c: connect to a shadow of this host by the name of its socket, "mitosis-exp/UID/PID". Who
 * listens there is what the kernel says, not what the name says: the caller's user, or for root any
 * (-EACCES). A descriptor with a limit on silence, or -errno.
 */
int local_connect(const char *name, unsigned int timeout_ms, struct ucred *who);

/* session.c: blocking, with a limit on silence. All: 0 (or a descriptor), or -errno. */
int session_open(const struct reference *ref, enum wire_purpose purpose, unsigned int timeout_ms);
int session_hello(int fd, enum wire_purpose purpose, const uint8_t uuid[16]);
int session_read(int fd, void *to, uint64_t bytes);
/* A frame of the type, or the reason in an error frame, which is logged for object. */
int session_expect(int fd, const char *object, enum wire_type type, struct wire_frame *frame);
#define SESSION_TIMEOUT_MS 5000u

#endif
