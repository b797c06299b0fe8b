// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* units.c - sizes, durations and lists of numbers as a user writes and reads them. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "units.h"

#define LIST_MAX 1000000u	/* a list longer than this is a slip of the pen */

typedef unsigned __int128 u128;

/* A decimal number without sign or exponent: whole + frac / scale. */
struct decimal {
	uint64_t whole;
	uint64_t frac;
	uint64_t scale;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int parse_decimal(const char **s, struct decimal *d)
{
	const char *p = *s;

	*d = (struct decimal){ .scale = 1 };
	if (!is_digit(*p))
		return -EINVAL;
	for (; is_digit(*p); p++) {
		if (__builtin_mul_overflow(d->whole, 10, &d->whole) ||
		    __builtin_add_overflow(d->whole, *p - '0', &d->whole))
			return -ERANGE;
	}
	if (*p == '.' && is_digit(p[1])) {
		for (p++; is_digit(*p); p++) {
			if (d->scale >= 1000000000000000000u)
				return -EINVAL;
			d->frac = d->frac * 10 + (uint64_t)(*p - '0');
			d->scale *= 10;
		}
	}
	*s = p;
	return 0;
}

static int scale_decimal(const struct decimal *d, uint64_t unit, bool exact, uint64_t *out)
{
	u128 rest = (u128)d->frac * unit;
	u128 v;

	if (exact && rest % d->scale)
		return -EINVAL;
	v = (u128)d->whole * unit + (rest + d->scale / 2) / d->scale;
	if (v > UINT64_MAX)
		return -ERANGE;
	*out = (uint64_t)v;
	return 0;
}

/* One size from *s, up to the first character that cannot belong to it. */
static int parse_size_at(const char **s, uint64_t *bytes)
{
	static const char letters[] = "KMGTPE";
	const char *p = *s, *l;
	uint64_t unit = 1;
	struct decimal d;
	int r;

	r = parse_decimal(&p, &d);
	if (r)
		return r;
	l = *p ? strchr(letters, *p == 'k' ? 'K' : *p) : NULL;
	if (l) {
		unit <<= 10 * (l - letters + 1);
		p++;
		if (p[0] == 'i' && p[1] == 'B')
			p += 2;
	} else if (*p == 'B') {
		p++;
	}
	r = scale_decimal(&d, unit, true, bytes);
	if (!r)
		*s = p;
	return r;
}

int units_parse_size(const char *s, uint64_t *bytes)
{
	uint64_t v;
	int r;

	r = parse_size_at(&s, &v);
	if (r)
		return r;
	if (*s)
		return -EINVAL;
	*bytes = v;
	return 0;
}

static int parse_uint_at(const char **s, uint64_t *v)
{
	const char *p = *s;
	uint64_t n = 0;

	if (!is_digit(*p))
		return -EINVAL;
	for (; is_digit(*p); p++) {
		if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, *p - '0', &n))
			return -ERANGE;
	}
	*v = n;
	*s = p;
	return 0;
}

struct list {
	uint64_t *v;
	size_t n, room;
};

static int append(struct list *l, uint64_t v)
{
	uint64_t *grown;
	size_t room;

	if (l->n == l->room) {
		room = l->room ? 2 * l->room : 16;
		if (l->n >= LIST_MAX)
			return -ERANGE;
		grown = reallocarray(l->v, room, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		l->v = grown;
		l->room = room;
	}
	l->v[l->n++] = v;
	return 0;
}

/* From lo to hi, by adding step, or by doubling if step is 0. */
static int append_range(struct list *l, uint64_t lo, uint64_t hi, uint64_t step)
{
	uint64_t v = lo;
	int r;

	if (lo > hi || (!step && !lo))
		return -EINVAL;
	for (;;) {
		r = append(l, v);
		if (r)
			return r;
		if (__builtin_add_overflow(v, step ? step : v, &v) || v > hi)
			return 0;
	}
}

typedef int (*parse_at)(const char **s, uint64_t *v);

/* ITEM[,ITEM...], ITEM being A, A..B or, where stepped, A..B:STEP. */
static int parse_list(const char *s, parse_at one, bool stepped, uint64_t min, uint64_t max,
		      struct list *l)
{
	uint64_t lo, hi, step;
	int r;

	for (;;) {
		r = one(&s, &lo);
		if (r)
			return r;
		hi = lo;
		step = 1;
		if (s[0] == '.' && s[1] == '.') {
			s += 2;
			step = 0;
			r = one(&s, &hi);
			if (r)
				return r;
			if (stepped && *s == ':') {
				s++;
				r = parse_uint_at(&s, &step);
				if (r)
					return r;
				if (!step)
					return -EINVAL;
			}
		}
		if (lo < min || hi > max)
			return -ERANGE;
		r = append_range(l, lo, hi, step);
		if (r)
			return r;
		if (!*s)
			return 0;
		if (*s++ != ',')
			return -EINVAL;
	}
}

static int finish_list(int r, struct list *l, uint64_t **list, size_t *n)
{
	if (r) {
		free(l->v);
		return r;
	}
	*list = l->v;
	*n = l->n;
	return 0;
}

int units_parse_sizes(const char *s, uint64_t **list, size_t *n)
{
	struct list l = { 0 };

	return finish_list(parse_list(s, parse_size_at, false, 0, UINT64_MAX, &l), &l, list, n);
}

int units_parse_uints(const char *s, uint64_t min, uint64_t max, uint64_t **list, size_t *n)
{
	struct list l = { 0 };

	return finish_list(parse_list(s, parse_uint_at, true, min, max, &l), &l, list, n);
}

int units_parse_duration(const char *s, uint64_t *ns)
{
	static const struct {
		const char *suffix;
		uint64_t unit;
	} units[] = {
		{ "", 1000000000u }, { "s", 1000000000u }, { "ms", 1000000u }, { "us", 1000u },
		{ "ns", 1u }, { "m", 60000000000u }, { "h", 3600000000000u },
	};
	struct decimal d;
	size_t i;
	int r;

	r = parse_decimal(&s, &d);
	if (r)
		return r;
	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (!strcmp(s, units[i].suffix))
			return scale_decimal(&d, units[i].unit, false, ns);
	}
	return -EINVAL;
}

/* Three significant digits; "1000" at most, which the caller turns into the next unit. */
static void three_digits(double v, char *buf, size_t size)
{
	snprintf(buf, size, "%.*f", v < 9.995 ? 2 : v < 99.95 ? 1 : 0, v);
}

const char *units_format_size(uint64_t bytes, char buf[32])
{
	static const char letters[] = "KMGTPE";
	unsigned int shift = 0;
	uint64_t unit, thousandths;
	char number[28];
	int len;

	while (shift < 60 && bytes >> (shift + 10))
		shift += 10;
	unit = 1ull << shift;
	if ((u128)bytes * 1000 % unit == 0) {
		/* exact with three decimals at most: 64M, 1.5G, 1.125G */
		thousandths = (uint64_t)((u128)bytes * 1000 / unit);
		len = snprintf(number, sizeof(number), "%" PRIu64 ".%03" PRIu64,
			       thousandths / 1000 % 10000, thousandths % 1000);
		while (number[len - 1] == '0')
			number[--len] = '\0';
		if (number[len - 1] == '.')
			number[--len] = '\0';
	} else {
		three_digits((double)bytes / (double)unit, number, sizeof(number));
		if (shift < 60 && !strcmp(number, "1024")) {
			shift += 10;
			strcpy(number, "1.00");
		}
	}
	if (shift)
		snprintf(buf, 32, "%s%c", number, letters[shift / 10 - 1]);
	else
		snprintf(buf, 32, "%s", number);
	return buf;
}

struct scale {
	double unit;
	const char *name;
};

static const char *format_scaled(double v, const struct scale *s, size_t n, char buf[32])
{
	double a = fabs(v);
	char number[24];
	size_t i = 0;

	while (i + 1 < n && a >= 0.9995 * s[i + 1].unit)
		i++;
	if (i == 0 && (a == floor(a) || a < 1))
		snprintf(number, sizeof(number), "%.3g", a);
	else if (a / s[i].unit < 999.5)
		three_digits(a / s[i].unit, number, sizeof(number));
	else
		snprintf(number, sizeof(number), "%.4g", a / s[i].unit);
	snprintf(buf, 32, "%s%s%s", v < 0 ? "-" : "", number, s[i].name);
	return buf;
}

const char *units_format_ns(double ns, char buf[32])
{
	static const struct scale scales[] = {
		{ 1, " ns" }, { 1e3, " us" }, { 1e6, " ms" }, { 1e9, " s" },
	};

	if (!isfinite(ns)) {
		strcpy(buf, "-");
		return buf;
	}
	if (fabs(ns) >= 7200e9) {
		snprintf(buf, 32, "%.4g h", ns / 3600e9);
		return buf;
	}
	if (fabs(ns) >= 120e9) {
		snprintf(buf, 32, "%.4g min", ns / 60e9);
		return buf;
	}
	return format_scaled(ns, scales, sizeof(scales) / sizeof(scales[0]), buf);
}

const char *units_format_count(double v, char buf[32])
{
	static const struct scale scales[] = {
		{ 1, "" }, { 1e3, "k" }, { 1e6, "M" }, { 1e9, "G" }, { 1e12, "T" },
	};

	if (!isfinite(v)) {
		strcpy(buf, "-");
		return buf;
	}
	return format_scaled(v, scales, sizeof(scales) / sizeof(scales[0]), buf);
}
