// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * areas.c - reads what the kernel says of a process's memory, without the C library's streams.
 */
#include "page/areas.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pie/numbers.h"

int areas_lines(const char *path, int (*fn)(const char *line, void *data), void *data)
{
	/* a path of 4096 bytes, each written as \ooo where it must be */
	static char buffer[16384];
	size_t have = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	while (!err) {
		ssize_t n = read(fd, buffer + have, sizeof(buffer) - have - 1);
		char *line = buffer, *newline;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			err = n < 0 ? -errno : 0;
			break;
		}
		have += (size_t)n;
		buffer[have] = '\0';
		while (!err && (newline = strchr(line, '\n'))) {
			*newline = '\0';
			err = fn(line, data);
			line = newline + 1;
		}
		have -= (size_t)(line - buffer);
		memmove(buffer, line, have);
		if (have == sizeof(buffer) - 1)
			err = -EOVERFLOW;
	}
	close(fd);
	return err;
}

static bool has_memory(int tid)
{
	char path[40], byte;
	bool has;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/maps", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	has = fd >= 0 && read(fd, &byte, 1) == 1;
	if (fd >= 0)
		close(fd);
	return has;
}

int areas_thread(int pid)
{
	struct numbers list;
	char path[40];
	int tid = -1;

	if (has_memory(pid))
		return pid;
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	if (numbers_open(&list, path))
		return 0;
	do {
		tid = numbers_next(&list);
	} while (tid >= 0 && !has_memory(tid));
	numbers_close(&list);
	return tid < 0 ? 0 : tid;
}

static const char *hexadecimal(const char *p, uint64_t *value)
{
	*value = 0;
	for (; (*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'f'); p++)
		*value = *value * 16 + (uint64_t)(*p <= '9' ? *p - '0' : *p - 'a' + 10);
	return p;
}

const char *areas_range(const char *line, uint64_t *start, uint64_t *end)
{
	const char *p = hexadecimal(line, start), *q;

	if (p == line || *p != '-')
		return NULL;
	q = hexadecimal(p + 1, end);
	return q == p + 1 ? NULL : q;
}
