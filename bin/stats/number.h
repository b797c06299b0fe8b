/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* number.h - decimal text to the nearest double, quickly. */
#ifndef STATS_NUMBER_H
#define STATS_NUMBER_H

#include <stdbool.h>
#include <stddef.h>

/* All of s[0..len) must be one finite decimal number. The byte s[len] must be readable. */
bool number_parse(const char *s, size_t len, double *v);

/* Not measured: NA, and NaN in any case. */
bool number_is_missing(const char *s, size_t len);

#endif
