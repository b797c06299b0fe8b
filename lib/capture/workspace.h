/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * workspace.h - memory of a tracer. While a process stands still one of its threads may hold the
 * allocator's lock, and a tracer that shares its memory would wait for that thread for ever; so all
 * that it needs is mapped before.
 */
#ifndef MITOSIS_WORKSPACE_H
#define MITOSIS_WORKSPACE_H

#include <stddef.h>
#include <stdint.h>

struct workspace {
	char *start;
	size_t bytes, used;
};

/* Enough for a process of so many threads. 0 or -errno. What is never touched costs nothing. */
int workspace_open(struct workspace *w, unsigned int threads);
/* Zeros, at a multiple of 64; NULL: there is no room left. Given back all at once. */
void *workspace_take(struct workspace *w, size_t bytes);
void workspace_close(struct workspace *w);

/*
 * A small file of /proc, with a NUL behind it, as far as there is room. How many bytes, or -errno.
 */
long proc_read(const char *path, char *to, size_t room);
/* The same, by a directory's descriptor. */
long proc_read_at(int directory, const char *name, char *to, size_t room);
/* The number of a thread of that process in its own pid namespace. */
uint32_t proc_number_inside(int pid, int tid);

#endif
