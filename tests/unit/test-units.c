// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* test-units.c - sizes, durations and lists: what is understood, what is refused, how it prints. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "units.h"

static int failures;

#define CHECK(cond, ...) do {						\
	if (!(cond)) {							\
		fprintf(stderr, "%s:%d: ", __FILE__, __LINE__);		\
		fprintf(stderr, __VA_ARGS__);				\
		fputc('\n', stderr);					\
		failures++;						\
	}								\
} while (0)

static void size_is(const char *s, int want, uint64_t bytes)
{
	uint64_t got = 77;
	int r = units_parse_size(s, &got);

	CHECK(r == want && got == (want ? 77 : bytes), "size \"%s\": %d, %" PRIu64, s, r, got);
}

static void duration_is(const char *s, int want, uint64_t ns)
{
	uint64_t got = 77;
	int r = units_parse_duration(s, &got);

	CHECK(r == want && got == (want ? 77 : ns), "duration \"%s\": %d, %" PRIu64, s, r, got);
}

static void check_list(const char *s, int r, uint64_t *list, size_t n, int want, const char *text)
{
	char got[256] = "";
	size_t i;

	for (i = 0; !r && i < n; i++)
		snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%" PRIu64,
			 i ? " " : "", list[i]);
	CHECK(r == want && !strcmp(got, text), "list \"%s\": %d, \"%s\"", s, r, got);
	if (!r)
		free(list);
}

static void sizes_are(const char *s, int want, const char *text)
{
	uint64_t *list = NULL;
	size_t n = 0;
	int r = units_parse_sizes(s, &list, &n);

	check_list(s, r, list, n, want, text);
}

static void uints_are(const char *s, uint64_t min, uint64_t max, int want, const char *text)
{
	uint64_t *list = NULL;
	size_t n = 0;
	int r = units_parse_uints(s, min, max, &list, &n);

	check_list(s, r, list, n, want, text);
}

static void prints(const char *got, const char *want)
{
	CHECK(!strcmp(got, want), "printed \"%s\", not \"%s\"", got, want);
}

int main(void)
{
	char b[32];
	uint64_t v;

	size_is("0", 0, 0);
	size_is("4096", 0, 4096);
	size_is("64K", 0, 65536);
	size_is("64k", 0, 65536);
	size_is("64KiB", 0, 65536);
	size_is("512B", 0, 512);
	size_is("64M", 0, 64ull << 20);
	size_is("1.5G", 0, 3ull << 29);
	size_is("1T", 0, 1ull << 40);
	size_is("15E", 0, 15ull << 60);
	size_is("18446744073709551615", 0, UINT64_MAX);
	size_is("18446744073709551616", -ERANGE, 0);
	size_is("16E", -ERANGE, 0);
	size_is("", -EINVAL, 0);
	size_is("K", -EINVAL, 0);
	size_is("-1", -EINVAL, 0);
	size_is("+1", -EINVAL, 0);
	size_is(" 1", -EINVAL, 0);
	size_is("1 ", -EINVAL, 0);
	size_is("1.5", -EINVAL, 0);
	size_is("0.3K", -EINVAL, 0);
	size_is("1.K", -EINVAL, 0);
	size_is("64KB", -EINVAL, 0);
	size_is("64Ki", -EINVAL, 0);
	size_is("0x10", -EINVAL, 0);
	size_is("1M,2M", -EINVAL, 0);

	duration_is("10s", 0, 10000000000u);
	duration_is("250ms", 0, 250000000u);
	duration_is("5us", 0, 5000);
	duration_is("80ns", 0, 80);
	duration_is("3m", 0, 180000000000u);
	duration_is("1h", 0, 3600000000000u);
	duration_is("2", 0, 2000000000u);
	duration_is("1.5s", 0, 1500000000u);
	duration_is("1.5", 0, 1500000000u);
	duration_is("0.0000000004", 0, 0);
	duration_is("1.9999999996ns", 0, 2);
	duration_is("600000h", 0, 2160000000000000000u);
	duration_is("6000000h", -ERANGE, 0);
	duration_is("1 s", -EINVAL, 0);
	duration_is("s", -EINVAL, 0);
	duration_is("-1s", -EINVAL, 0);
	duration_is("1e3", -EINVAL, 0);
	duration_is("1d", -EINVAL, 0);

	sizes_are("1M,16M", 0, "1048576 16777216");
	sizes_are("1K..8K", 0, "1024 2048 4096 8192");
	sizes_are("1K..7K", 0, "1024 2048 4096");
	sizes_are("4K,1K..2K,3", 0, "4096 1024 2048 3");
	sizes_are("8E..15E", 0, "9223372036854775808");
	sizes_are("8K..1K", -EINVAL, "");
	sizes_are("0..8", -EINVAL, "");
	sizes_are("1K,", -EINVAL, "");
	sizes_are(",1K", -EINVAL, "");
	sizes_are("1K..", -EINVAL, "");
	sizes_are("1K..2K:512", -EINVAL, "");
	sizes_are("", -EINVAL, "");

	uints_are("1,2,4", 0, 9, 0, "1 2 4");
	uints_are("1..8", 1, 8, 0, "1 2 4 8");
	uints_are("0..100:25", 0, 100, 0, "0 25 50 75 100");
	uints_are("0..9:4", 0, 100, 0, "0 4 8");
	uints_are("5..5:1", 0, 100, 0, "5");
	uints_are("18446744073709551615", 0, UINT64_MAX, 0, "18446744073709551615");
	uints_are("0", 1, 9, -ERANGE, "");
	uints_are("1..16", 1, 8, -ERANGE, "");
	uints_are("0..100:0", 0, 100, -EINVAL, "");
	uints_are("0..18446744073709551615:1", 0, UINT64_MAX, -ERANGE, "");
	uints_are("4K", 0, 9, -EINVAL, "");
	uints_are("-1", 0, 9, -EINVAL, "");

	prints(units_format_size(0, b), "0");
	prints(units_format_size(512, b), "512");
	prints(units_format_size(4096, b), "4K");
	prints(units_format_size(64ull << 20, b), "64M");
	prints(units_format_size(3ull << 29, b), "1.5G");
	prints(units_format_size(1152, b), "1.125K");
	prints(units_format_size(100000, b), "97.7K");
	prints(units_format_size((1u << 20) - 1, b), "1.00M");
	prints(units_format_size(UINT64_MAX, b), "16.0E");
	for (v = 1; v; v <<= 1) {
		uint64_t back = 0;

		units_parse_size(units_format_size(v, b), &back);
		CHECK(back == v, "%s does not read back", b);
	}

	prints(units_format_ns(0, b), "0 ns");
	prints(units_format_ns(512, b), "512 ns");
	prints(units_format_ns(12.5, b), "12.5 ns");
	prints(units_format_ns(0.25, b), "0.25 ns");
	prints(units_format_ns(1000, b), "1.00 us");
	prints(units_format_ns(999999, b), "1.00 ms");
	prints(units_format_ns(1234567, b), "1.23 ms");
	prints(units_format_ns(-1234567, b), "-1.23 ms");
	prints(units_format_ns(12345678, b), "12.3 ms");
	prints(units_format_ns(1.5e9, b), "1.50 s");
	prints(units_format_ns(180e9, b), "3 min");
	prints(units_format_ns(9000e9, b), "2.5 h");

	prints(units_format_count(0, b), "0");
	prints(units_format_count(7, b), "7");
	prints(units_format_count(999, b), "999");
	prints(units_format_count(12345, b), "12.3k");
	prints(units_format_count(1e6, b), "1.00M");
	prints(units_format_count(0.125, b), "0.125");
	return failures ? 1 : 0;
}
