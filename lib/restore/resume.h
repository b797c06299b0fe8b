/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* resume.h - one attempt at turning a reference into a child: what its parts hand to each other. */
#ifndef MITOSIS_RESUME_H
#define MITOSIS_RESUME_H

#include "engine/engine.h"
#include "format/workingset.h"
#include "restore/enclosure.h"
#include "restore/losses.h"
#include "restore/plan.h"

#include <sys/resource.h>

struct restorer_args;

struct resume {
	const struct reference *ref;
	const struct mitosis_resume_args *args;
	int socket_fd;			/* the connection to the shadow; -1: closed */
	uint64_t local_name;		/* of the shadow, on its host; 0: it has none */
	int place_fd;			/* placer.h; -1: pages come over socket_fd */
	struct descriptor *d;
	uint32_t number;		/* which child it is; 0: not known */
	struct plan plan;
	struct child_memory memory;
	struct rlimit files;		/* as it was */
	int cwd;			/* O_PATH; -1: the caller's */
	int root;			/* O_PATH; -1: the caller's */
	bool root_kept;			/* among what plan_free() closes */
	bool change_credentials;	/* the child's are not the caller's */
	struct losses losses;
	struct enclosure enclosure;
	struct network network;		/* its own, where that is asked for */
	int *opened;			/* for the child, parallel to the descriptor's files */
	uint64_t arena, arena_length;	/* 0: there is none */
	struct restorer_args *restorer;	/* in it */
	void *stack_top;
	struct workingset record, replay;
};

/* arena.c: map it, fill it, and read the hot pages into it. 0 or -errno, logged. */
int arena_build(struct resume *r);
/*
 * enclose.c: the namespaces that the child is to have, or as much of it as can be had. 0, also
 * where there are none in the end; ENCLOSURE_CHILD, in the copy that becomes the child; or -errno,
 * logged: what has to be cannot.
 */
int enclose(struct resume *r);
/* The same: its own network, if it is to have one, before sockets are made. 0 or -errno, logged. */
int enclose_network(struct resume *r);
/* contents.c: fill the files without a name, over the connection. 0 or -errno, logged. */
int contents_fetch(struct resume *r);
/* terminal.c: our terminal becomes the child's, in its parent's modes, until it ends. */
void terminal_take(const struct descriptor *d);
/* In the process that becomes the child. */
void terminal_enter(const struct descriptor *d);
void terminal_give_back(void);	/* there is no child */
/* Once there is a child. */
void terminal_has_child(const struct descriptor *d, pid_t child);
/* start.c: fork; the copy becomes the child, the caller its supervisor. Returns only -errno. */
int start_child(struct resume *r);

#endif
