/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * children.h - measured children: start mitosis-child on a reference, read what the child reports.
 *
 * A child reports on its standard output, which is a pipe to the measuring tool.
 */
#ifndef CHILDREN_H
#define CHILDREN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct child {
	pid_t pid;		/* mitosis-child, which ends as the child ends */
	int out;		/* the child's standard output */
	uint64_t started_ns;	/* CLOCK_MONOTONIC right before exec */
};

/* Find a program where the shell would, and in the directories of the administrator's. */
bool program_path(const char *name, char *path, size_t room);

/* Path of another tool of this suite: beside this one, else where it is installed. */
const char *sibling_path(const char *name);

/* argv[0] is a path. 0, or -1 with errno (also when exec failed). */
int child_start(struct child *c, char *const argv[]);
/* The same with another standard input than ours. */
int child_start_with(struct child *c, char *const argv[], int in);
/* The same in a session of its own: no signal of the terminal reaches it. */
int child_start_apart(struct child *c, char *const argv[], int in);
/* Read exactly n bytes of report; 0, or -1 when the child ended before. */
int child_read(struct child *c, void *to, size_t n);
/* Close the pipe and wait. Returns the exit status, 128 + N for signal N. */
int child_finish(struct child *c);

/*
 * Read or write exactly n bytes; 0, or -1 at the end of the stream or on error, which for a write
 * errno tells.
 */
int read_exactly(int fd, void *to, size_t n);
int write_exactly(int fd, const void *from, size_t n);

#endif
