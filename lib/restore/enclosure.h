/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * enclosure.h - the namespaces that a child gets of its own, so that numbers mean what they meant.
 */
#ifndef MITOSIS_ENCLOSURE_H
#define MITOSIS_ENCLOSURE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "format/descriptor.h"
#include "restore/network.h"

struct enclosure {
	/* What is wanted. */
	bool numbers;			/* the parent's process and thread numbers */
	/* these in ns added to the clocks that count from the machine's start */
	bool clocks;
	int64_t offset[DESCRIPTOR_CLOCKS];
	/* O_PATH, of the child's root directory; -1: the caller's */
	int root;
	const struct network *network;	/* that it is in; NULL: the caller's */
	uint64_t spare, spare_bytes;	/* memory that only the child needs of its copy */
	/* What came of it. */
	/* there is a user namespace, in which other users are nobody */
	bool user;
	/* process 1 beside the child; 0: none, or the child itself */
	pid_t init;
	pid_t number;			/* the child's, inside */
	pid_t helper;			/* makes the child when it is told to; 0: there is none */
	int helper_fd;
	char why[256];			/* if it cannot be had */
};

/* May this process make namespaces without one of users, too? */
bool enclosure_is_allowed(void);
/*
 * In a new namespace of users, of which all others are nobody: who this user was before. 0 or
 * -errno.
 */
int enclosure_map_user(unsigned int uid, unsigned int gid);
/* What need not be tried: -errno, and a sentence in why. */
int enclosure_look_ahead(struct enclosure *e, const struct descriptor *d);
/*
 * Make them, in a helper: a copy of the caller, whose signals are blocked. 0, or -errno and a
 * sentence in why. Then enclosure_fork() or enclosure_close() follows.
 */
int enclosure_open(struct enclosure *e, const struct descriptor *d);
/*
 * The child's number, or -errno and a sentence in why. The child is the caller's, and is a copy of
 * it as it was at enclosure_open(): it returns from there with ENCLOSURE_CHILD.
 */
pid_t enclosure_fork(struct enclosure *e);
/* All of it goes, as long as there is no child. */
void enclosure_close(struct enclosure *e);

#define ENCLOSURE_CHILD	1

/*
 * In the child: an open directory as its own mounts show it, or the same descriptor, if they show
 * another one there. It may be closed if it is not the same.
 */
int enclosure_reopen(int fd, int flags);

#endif
