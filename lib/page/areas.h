/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* areas.h - what the kernel says of a process's memory. */
#ifndef MITOSIS_AREAS_H
#define MITOSIS_AREAS_H

#include <stdint.h>

/*
 * Call fn for each line of a file of /proc, without its newline, until it returns not 0, which
 * is then returned; or -errno. Async-signal-safe; one caller at a time.
 */
int areas_lines(const char *path, int (*fn)(const char *line, void *data), void *data);
/*
 * A thread of this process by which /proc tells of its memory, /proc/TID/maps and the like: of a
 * first thread that has ended there is nothing to be read. 0: there is none.
 */
int areas_thread(int pid);
/* Parse "START-END" in hexadecimal; what follows, or NULL when the line does not begin so. */
const char *areas_range(const char *line, uint64_t *start, uint64_t *end);

#endif
