/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * units.h - sizes, durations and lists of numbers as a user writes and reads them.
 *
 * The parsers take the whole string or fail: 0, -EINVAL (not understood) or -ERANGE (understood,
 * but too large or outside the limits). On failure the result is untouched.
 */
#ifndef UNITS_H
#define UNITS_H

#include <stddef.h>
#include <stdint.h>

/* "4096", "64K", "64M", "1.5G", "1T", "64KiB": powers of 1024. "KB" is refused as ambiguous. */
int units_parse_size(const char *s, uint64_t *bytes);

/* "1M,16M" and doubling ranges "1M..1G", mixed. The caller frees *list. */
int units_parse_sizes(const char *s, uint64_t **list, size_t *n);

/* "10s", "250ms", "5us", "80ns", "3m" (minutes), "1h"; a bare number is seconds ("1.5"). */
int units_parse_duration(const char *s, uint64_t *ns);

/*
 * "1,2,4", "1..8" (doubling: 1 2 4 8), "0..100:10" (step 10), mixed; each number within
 * [min, max]. The caller frees *list.
 */
int units_parse_uints(const char *s, uint64_t min, uint64_t max, uint64_t **list, size_t *n);

/* All return buf. */
const char *units_format_size(uint64_t bytes, char buf[32]);	/* "64M", "1.5G", "512" */
const char *units_format_ns(double ns, char buf[32]);		/* "1.23 ms" */
const char *units_format_count(double v, char buf[32]);		/* "12.3k" */

#endif
