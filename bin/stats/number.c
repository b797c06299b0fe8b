// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * number.c - decimal text to the nearest double, quickly.
 *
 * Digits are collected in an integer. If it needs no rounding as a double (below 2^53) and the
 * power of ten is exact too (up to 10^22), then one multiplication or division rounds once, which
 * is the correct result. An integer without exponent is rounded once by its conversion. All else,
 * about nothing in practice, goes through strtod().
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "number.h"

#define EXACT (UINT64_C(1) << 53)

static const double powers[] = {
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
	1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
};

static bool parse_slowly(const char *s, size_t len, double *v)
{
	char text[512], *end;

	if (!len || len >= sizeof(text))
		return false;
	memcpy(text, s, len);
	text[len] = '\0';
	/* no blanks, no hexadecimal, no words */
	if (strspn(text, "0123456789+-.eE") != len)
		return false;
	*v = strtod(text, &end);
	return end == text + len && isfinite(*v);
}

bool number_parse(const char *s, size_t len, double *v)
{
	const char *p = s, *end = s + len;
	bool negative = false;
	uint64_t digits = 0;
	int ndigits = 0, exponent = 0, e = 0;
	bool e_negative = false;
	double d;

	if (p < end && (*p == '-' || *p == '+'))
		negative = *p++ == '-';
	for (; p < end && (unsigned char)(*p - '0') < 10; p++, ndigits++)
		digits = digits * 10 + (unsigned char)(*p - '0');
	if (p < end && *p == '.') {
		for (p++; p < end && (unsigned char)(*p - '0') < 10; p++, ndigits++, exponent--)
			digits = digits * 10 + (unsigned char)(*p - '0');
	}
	/* with 20 digits the integer may have overflowed */
	if (!ndigits || ndigits > 19)
		return parse_slowly(s, len, v);
	if (p < end && (*p == 'e' || *p == 'E')) {
		p++;
		if (p < end && (*p == '-' || *p == '+'))
			e_negative = *p++ == '-';
		if (p == end || end - p > 3)
			return parse_slowly(s, len, v);
		for (; p < end && (unsigned char)(*p - '0') < 10; p++)
			e = e * 10 + (*p - '0');
		exponent += e_negative ? -e : e;
	}
	if (p != end)
		return false;
	d = (double)digits;
	if (exponent) {
		if (digits >= EXACT || exponent > 22 || exponent < -22)
			return parse_slowly(s, len, v);
		d = exponent > 0 ? d * powers[exponent] : d / powers[-exponent];
	}
	*v = negative ? -d : d;
	return true;
}

bool number_is_missing(const char *s, size_t len)
{
	return (len == 2 && s[0] == 'N' && s[1] == 'A') || (len == 3 && !strncasecmp(s, "nan", 3));
}
