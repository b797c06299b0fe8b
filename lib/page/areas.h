/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* areas.h - what the kernel says of this process's memory. */
#ifndef MITOSIS_AREAS_H
#define MITOSIS_AREAS_H

#include <stdint.h>

/*
 * Call fn for each line of a file of /proc/self, without its newline, until it returns not 0, which
 * is then returned; or -errno. Async-signal-safe; one caller at a time.
 */
int areas_lines(const char *path, int (*fn)(const char *line, void *data), void *data);
/* Parse "START-END" in hexadecimal; what follows, or NULL when the line does not begin so. */
const char *areas_range(const char *line, uint64_t *start, uint64_t *end);

#endif
