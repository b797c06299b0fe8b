/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * publish.h - what a child is given in place of what its parent had: other ports and paths for its
 * sockets, as --publish says, and descriptors of the caller's, as --inherit-fd does.
 */
#ifndef MITOSIS_PUBLISH_H
#define MITOSIS_PUBLISH_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

struct publish_rule;

struct publish {
	struct publish_rule *rules;
	unsigned int count;
};

/*
 * "OLD=NEW[,OLD=NEW...]", each "[ADDRESS:]PORT", or a path, or "@NAME"; NULL: none. 0 or -errno,
 * logged.
 */
int publish_parse(struct publish *p, const char *text);
void publish_free(struct publish *p);
/* Each changes the name to what a rule says, if one does, which has been of use then. */
bool publish_translate(const struct publish *p, struct sockaddr_storage *a);
bool publish_translate_path(const struct publish *p, struct sockaddr_un *a, socklen_t *length);
/* The text of a rule that has not been of use; NULL: all have. */
const char *publish_useless(const struct publish *p);
/* Of an IPv4 or IPv6 address. */
unsigned int publish_port(const struct sockaddr_storage *a);

/* A file was made for a socket; and: there is no child after all, so remove those. */
void publish_bound(const char *path);
void publish_undo(void);

struct inherit {
	unsigned int number;		/* the child's */
	int fd;				/* the caller's */
};

#define INHERIT_MAX 64

/* "N=M[,N=M...]"; NULL: none. How many, or -errno, logged. */
int inherit_parse(struct inherit list[INHERIT_MAX], const char *text);

#endif
