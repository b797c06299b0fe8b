/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* files.h - the open files of a child, on its host: see files.c. */
#ifndef MITOSIS_FILES_H
#define MITOSIS_FILES_H

#include "format/descriptor.h"
#include "restore/losses.h"
#include "restore/network.h"

/*
 * What the child shall have: instead of its parent's, see restore/publish.h; and what is there
 * already.
 */
struct files_wishes {
	const char *publish, *inherit;	/* NULL: nothing */
	const int *nameless;		/* descriptors of the files without a name; -1: none */
	const int *urings;		/* for each open file that is a ring; -1: none */
	const struct network *network;	/* where its sockets are; NULL: the caller's */
};

/*
 * Open what the parent had open: at fd_base and above it, where *fd_next moves on; (*opened)[i] is
 * for the file i of the descriptor. What cannot be had has a number all the same, which only says
 * EBADF, and is added to the losses. 0 or -errno, logged for object. The array belongs to the
 * caller.
 */
int files_open(const struct descriptor *d, const char *object, const struct files_wishes *wishes,
	       int *fd_next, int **opened, struct losses *losses);
/* In the child to be: give them the numbers that they had. 0 or -errno. */
int files_place(const struct descriptor *d, const int *opened);
/* A copy at base or above; or -errno. */
int file_move_up(int fd, int base);

#endif
