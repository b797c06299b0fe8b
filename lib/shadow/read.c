// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* read.c - how the shadow reads what the kernel says of it, and keeps the names that it finds. */
#include "shadow/read.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

long read_whole(const char *path, void *to, uint32_t capacity)
{
	long fd = sys(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	uint32_t have = 0;

	if (fd < 0)
		return fd;
	while (have < capacity) {
		long n = sys(SYS_read, fd, (char *)to + have, capacity - have);

		if (n < 0) {
			sys(SYS_close, fd);
			return n;
		}
		if (!n)
			break;
		have += (uint32_t)n;
	}
	sys(SYS_close, fd);
	return have;
}

char *proc_path(char *to, uint32_t pid, const char *rest)
{
	char *end = text_append(text_append_number(text_append(to, "/proc/"), pid), rest);

	*end = '\0';
	return end;
}

const char *proc_stat(struct snapshot *s, uint32_t pid, int n)
{
	const char *p, *field = "";
	char name[64];
	long bytes;

	proc_path(name, pid, "/stat");
	bytes = read_whole(name, s->scratch2, SCRATCH_BYTES - 1);
	s->scratch2[bytes < 0 ? 0 : bytes] = '\0';
	/* The second is a name in parentheses, with anything in it. */
	for (p = s->scratch2; *p; p++)
		if (*p == ')')
			field = p + 1;
	for (p = field; *p; p++)
		if (*p == ' ' && n-- == 3)
			return p + 1;
	return "";
}

/* NULL at the end, or when reading failed. */
const char *next_line(struct line_reader *r)
{
	for (;;) {
		for (uint32_t i = r->parsed; i < r->used; i++) {
			if (r->buffer[i] != '\n')
				continue;
			const char *line = r->buffer + r->parsed;

			r->buffer[i] = '\0';
			r->parsed = i + 1;
			return line;
		}
		if (r->parsed) {
			for (uint32_t i = r->parsed; i < r->used; i++)
				r->buffer[i - r->parsed] = r->buffer[i];
			r->used -= r->parsed;
			r->parsed = 0;
		}
		long n = -EOVERFLOW;

		if (r->used < r->capacity)
			n = sys(SYS_read, r->fd, r->buffer + r->used, r->capacity - r->used);
		if (n <= 0) {
			r->failed = n < 0;
			return NULL;
		}
		r->used += (uint32_t)n;
	}
}

uint32_t add_string(struct snapshot *s, const char *text)
{
	uint32_t length = (uint32_t)text_length(text) + 1, at = s->n.strings;

	if (length > (uint32_t)sizeof(s->strings) - at)
		return 0;
	memcpy(s->strings + at, text, length);
	s->n.strings += length;
	return at;
}

uint32_t add_link(struct snapshot *s, const char *link)
{
	long n = sys(SYS_readlinkat, AT_FDCWD, link, s->scratch2, 4096);

	if (n <= 0)
		return 0;
	s->scratch2[n] = '\0';
	return add_string(s, s->scratch2);
}

bool add_payload(struct snapshot *s, const void *data, uint32_t bytes, uint32_t *at)
{
	/* Each begins at a multiple of 8. */
	*at = (s->n.payload + 7) & ~7U;
	if (*at > sizeof(s->payload) || bytes > sizeof(s->payload) - *at)
		return false;
	memcpy(s->payload + *at, data, bytes);
	s->n.payload = *at + bytes;
	return true;
}
