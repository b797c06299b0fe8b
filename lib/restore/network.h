/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* network.h - a network of a child's own: a namespace with nothing but the loopback device. */
#ifndef MITOSIS_NETWORK_H
#define MITOSIS_NETWORK_H

#include <sys/types.h>

struct network {
	pid_t helper;			/* who makes sockets in it; 0: nobody */
	int helper_fd;
	int net;			/* the namespace */
	int user;			/* the one of users that it belongs to; -1: the caller's */
};

/*
 * Make it. What stays open goes above *fd_next, which moves on, and is the caller's to close. 0, or
 * -errno, logged with object.
 */
int network_open(struct network *n, const char *object, int *fd_next);
/* As socket(2) and socketpair(2), in this network; n NULL: in the caller's. */
int network_socket(const struct network *n, int domain, int type, int protocol);
int network_pair(const struct network *n, int type, int ends[2]);
/* No more sockets. */
void network_leave(struct network *n);
/* The calling process, which has one thread, is there from now on. 0 or -errno. */
int network_enter(const struct network *n);

#endif
