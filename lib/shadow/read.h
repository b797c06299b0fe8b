/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* read.h - how the shadow reads what the kernel says of it, and keeps the names that it finds. */
#ifndef MITOSIS_READ_H
#define MITOSIS_READ_H

#include "shadow/snapshot.h"

/* A file, up to capacity bytes; returns how many, or -errno. */
long read_whole(const char *path, void *to, uint32_t capacity);

/* "/proc/PID" and the rest; returns its end. */
char *proc_path(char *to, uint32_t pid, const char *rest);

/* Field number n, 3 or more, of /proc/PID/stat, in scratch2; "" if there is none. */
const char *proc_stat(struct snapshot *s, uint32_t pid, int n);

struct line_reader {
	int fd;
	char *buffer;
	uint32_t used, parsed, capacity;
	bool failed;		/* there is more, which could not be read */
};

/* NULL at the end, or when reading failed. */
const char *next_line(struct line_reader *r);

/* The string's offset; 0, the empty string, when the table is full. */
uint32_t add_string(struct snapshot *s, const char *text);
/* The same with what a symbolic link says; 0 also when it cannot be read. */
uint32_t add_link(struct snapshot *s, const char *link);
/* Bytes of a kind of state; *at is where they are. False: the table is full. */
bool add_payload(struct snapshot *s, const void *data, uint32_t bytes, uint32_t *at);

static inline int64_t mtime_of(const struct stat *st)
{
	return st->st_mtim.tv_sec * 1000000000LL + st->st_mtim.tv_nsec;
}

#endif
