/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* freestanding.h - the few helpers of code that runs without a C library. */
#ifndef MITOSIS_PIE_FREESTANDING_H
#define MITOSIS_PIE_FREESTANDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "sys.h"

void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);

size_t text_length(const char *s);
bool text_is(const char *a, const char *b);
bool text_begins(const char *s, const char *prefix);
/* Parse digits of a base up to 16, move *s behind them. */
uint64_t text_number(const char **s, unsigned int base);
/* Append the decimal digits of n at to; returns behind them (no NUL). */
char *text_append_number(char *to, uint64_t n);
char *text_append(char *to, const char *s);

static inline uint64_t now_ns(void)
{
	struct { int64_t s, ns; } t = { 0, 0 };

	sys(SYS_clock_gettime, 1 /* CLOCK_MONOTONIC */, &t);
	return (uint64_t)t.s * 1000000000ULL + (uint64_t)t.ns;
}

#endif
