/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * numbers.h - the numbers in a directory of /proc, one call after the other: processes, threads,
 * descriptors. With nothing but system calls and memory of the caller's.
 */
#ifndef MITOSIS_PIE_NUMBERS_H
#define MITOSIS_PIE_NUMBERS_H

#include <fcntl.h>
#include <stdint.h>

#include "sys.h"

struct numbers {
	int fd;
	int err;			/* -errno: the end came early */
	long have, at;
	const char *name;		/* the last one as text, until the next call */
	char buffer[2048] __attribute__((aligned(8)));
};

/* As getdents64(2) writes it. */
struct numbers_entry {
	uint64_t inode;
	int64_t offset;
	uint16_t length;		/* of this one: the next follows */
	uint8_t type;
	char name[];
};

/* 0 or -errno; then there are none, and nothing is to be closed. */
static inline int numbers_open(struct numbers *n, const char *path)
{
	n->have = 0;
	n->at = 0;
	n->fd = (int)sys(SYS_openat, AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	n->err = n->fd < 0 ? n->fd : 0;
	return n->err;
}

/* -1: that was all, or .err. Their order is that of the kernel, which is ascending. */
static inline int numbers_next(struct numbers *n)
{
	while (!n->err) {
		const struct numbers_entry *e;
		int number = 0;

		if (n->at == n->have) {
			n->at = 0;
			n->have = sys(SYS_getdents64, n->fd, n->buffer, sizeof(n->buffer));
			if (n->have < 0)
				n->err = (int)n->have;
			if (n->have <= 0) {
				n->have = 0;
				return -1;
			}
		}
		e = (const void *)(n->buffer + n->at);
		n->at += e->length;
		n->name = e->name;
		if (e->name[0] < '0' || e->name[0] > '9')
			continue;
		for (const char *p = e->name; *p; p++)
			number = number * 10 + *p - '0';
		return number;
	}
	return -1;
}

static inline void numbers_close(struct numbers *n)
{
	if (n->fd >= 0)
		sys(SYS_close, n->fd);
}

#endif
