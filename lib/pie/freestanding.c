// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* freestanding.c - what the compiler and the code beside it need instead of a C library. */
#include "pie/freestanding.h"

#include "bytes.h"

void *memcpy(void *to, const void *from, size_t n)
{
	arch_copy(to, from, n);
	return to;
}

void *memset(void *to, int byte, size_t n)
{
	arch_fill(to, byte, n);
	return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const unsigned char *x = a, *y = b;

	for (size_t i = 0; i < n; i++)
		if (x[i] != y[i])
			return x[i] < y[i] ? -1 : 1;
	return 0;
}

size_t text_length(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}

bool text_begins(const char *s, const char *prefix)
{
	while (*prefix && *s == *prefix) {
		s++;
		prefix++;
	}
	return !*prefix;
}

bool text_is(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return *a == *b;
}

uint64_t text_number(const char **s, unsigned int base)
{
	uint64_t n = 0;

	for (;; (*s)++) {
		unsigned int digit;

		if (**s >= '0' && **s <= '9')
			digit = (unsigned int)(**s - '0');
		else if (**s >= 'a' && **s <= 'f')
			digit = (unsigned int)(**s - 'a') + 10;
		else
			return n;
		if (digit >= base)
			return n;
		n = n * base + digit;
	}
}

char *text_append_number(char *to, uint64_t n)
{
	char digits[20];
	int i = 0;

	do {
		digits[i++] = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	while (i)
		*to++ = digits[--i];
	return to;
}

char *text_append(char *to, const char *s)
{
	while (*s)
		*to++ = *s++;
	return to;
}
