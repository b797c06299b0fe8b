/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * fdinfo.h - what the kernel tells of an open file in /proc/PID/fdinfo/N, line by line.
 *
 * Locks by fcntl(2) belong to a process and do not show for a copy of it; all others belong to what
 * is open, which a copy shares with its parent: one as well as the other may be gone a moment
 * later.
 */
#ifndef MITOSIS_FDINFO_H
#define MITOSIS_FDINFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "format/descriptor.h"

static inline bool fdinfo_line_begins(const char *line, const char *with)
{
	while (*with)
		if (*line++ != *with++)
			return false;
	return true;
}

/* Is the word in this line? It ends in a newline or NUL. */
static inline bool fdinfo_line_has(const char *line, const char *word)
{
	for (; *line && *line != '\n'; line++)
		if (fdinfo_line_begins(line, word))
			return true;
	return false;
}

/*
 * What a line such as "lock:\t1: FLOCK  ADVISORY  WRITE 4711 00:2a:815 0 EOF" stands for; of
 * another line 0.
 */
static inline uint32_t fdinfo_lock(const char *line)
{
	if (!fdinfo_line_begins(line, "lock:\t"))
		return 0;
	if (fdinfo_line_has(line, ": FLOCK "))
		return LOCK_FLOCK;
	if (fdinfo_line_has(line, ": OFDLCK "))
		return LOCK_OFD;
	if (!fdinfo_line_has(line, ": LEASE ") && !fdinfo_line_has(line, ": DELEG "))
		return LOCK_POSIX;
	/* One that is being broken says what it is to become. */
	return fdinfo_line_has(line, " ACTIVE ") && fdinfo_line_has(line, " READ ")
		       ? LOCK_LEASE_READ
		       : LOCK_LEASE_WRITE;
}

static inline const char *fdinfo_next_line(const char *text)
{
	while (*text && *text++ != '\n')
		;
	return text;
}

static inline uint32_t fdinfo_locks(const char *text)
{
	uint32_t locks = 0;

	for (; *text; text = fdinfo_next_line(text))
		locks |= fdinfo_lock(text);
	return locks;
}

/* Does every open file have such a line, or is it of its kind alone? */
static inline bool fdinfo_is_common(const char *line)
{
	return fdinfo_line_begins(line, "pos:") || fdinfo_line_begins(line, "flags:") ||
	       fdinfo_line_begins(line, "mnt_id:") || fdinfo_line_begins(line, "ino:") ||
	       fdinfo_line_begins(line, "lock:");
}

/* What follows the name that a line begins with; NULL: none does, or text is NULL. */
static inline const char *fdinfo_find(const char *text, const char *name)
{
	for (; text && *text; text = fdinfo_next_line(text)) {
		if (!fdinfo_line_begins(text, name))
			continue;
		while (*name++)
			text++;
		return text;
	}
	return NULL;
}

/* A number behind blanks; false: there is none. */
static inline bool fdinfo_parse(const char *p, unsigned int base, uint64_t *value)
{
	const char *begin;

	while (*p == ' ' || *p == '\t')
		p++;
	*value = 0;
	for (begin = p;; p++) {
		unsigned int digit = *p >= '0' && *p <= '9' ? (unsigned int)(*p - '0') :
				     *p >= 'a' && *p <= 'f' ? (unsigned int)(*p - 'a') + 10 : 99;

		if (digit >= base)
			return p != begin;
		*value = *value * base + digit;
	}
}

/* "eventfd-count:                3" */
static inline bool fdinfo_number(const char *text, const char *name, unsigned int base,
				 uint64_t *value)
{
	const char *p = fdinfo_find(text, name);

	return p && fdinfo_parse(p, base, value);
}

/* The same of a word inside a line: "tfd:        5 events:       19 data: ..." */
static inline bool fdinfo_word(const char *line, const char *name, unsigned int base,
			       uint64_t *value)
{
	for (; *line && *line != '\n'; line++) {
		const char *p = line;

		if (!fdinfo_line_begins(line, name))
			continue;
		for (const char *n = name; *n; n++)
			p++;
		return fdinfo_parse(p, base, value);
	}
	return false;
}

#endif
