// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* test-record.c - one column table as TSV, JSON Lines and table; what must never be written. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record.h"
#include "tool.h"

static int failures;

#define CHECK(cond, ...) do {						\
	if (!(cond)) {							\
		fprintf(stderr, "%s:%d: ", __FILE__, __LINE__);		\
		fprintf(stderr, __VA_ARGS__);				\
		fputc('\n', stderr);					\
		failures++;						\
	}								\
} while (0)

enum { C_NAME, C_WSS, C_TIME, C_DELTA, C_RATIO };

static const struct record_column columns[] = {
	[C_NAME] = { "name", RECORD_STRING, "a name" },
	[C_WSS] = { "wss", RECORD_SIZE, "working set" },
	[C_TIME] = { "prepare_ns", RECORD_NS, "a time" },
	[C_DELTA] = { "delta", RECORD_INT, "a difference" },
	[C_RATIO] = { "ratio", RECORD_DOUBLE, "a ratio" },
};

static char arg0[] = "test", arg1[] = "--to", arg2[] = "two words",
	    arg3[] = "mitosis://node1:7000/0bd2c1ab-1111-4222-8333-123456789abc",
	    arg4[] = "--ref=mitosis://node1/secret", arg5[] = "it's\n",
	    arg6[] = "0bd2c1ab-1111-4222-8333-123456789abc", arg7[] = "";
static char *args[] = { arg0, arg1, arg2, arg3, arg4, arg5, arg6, arg7, NULL };

/* Writes three records in one format and returns all that came out. */
static char *output(enum record_format format)
{
	struct record_stream *rs;
	char *text = NULL;
	size_t size = 0;
	FILE *f;

	f = open_memstream(&text, &size);
	if (!f || record_open(&rs, f, format, columns, 5, "user", 8, args))
		exit(99);
	record_begin(rs);
	record_string(rs, C_NAME, "a\tb\\c\n\"\xff");
	record_uint(rs, C_WSS, 64u << 20);
	record_uint(rs, C_TIME, 1234567);
	record_int(rs, C_DELTA, -5);
	record_double(rs, C_RATIO, 0.1);
	record_end(rs);
	record_begin(rs);
	record_string(rs, C_NAME, "#second");
	record_double(rs, C_RATIO, NAN);
	record_end(rs);
	record_begin(rs);
	record_string(rs, C_NAME, NULL);
	record_uint(rs, C_WSS, UINT64_MAX);
	record_double(rs, C_RATIO, 1.0 / 3);
	record_string(rs, C_NAME, "x");
	record_string(rs, C_NAME, "y");
	record_end(rs);
	CHECK(!record_error(rs), "error %d", record_error(rs));
	CHECK(!record_close(rs), "close");
	fclose(f);
	return text;
}

/* The rest of text after its first n lines. */
static const char *after(const char *text, int n)
{
	while (n-- && text)
		text = strchr(text, '\n') ? strchr(text, '\n') + 1 : NULL;
	return text ? text : "";
}

static void check_secret(const char *text)
{
	CHECK(!strstr(text, "123456789abc") && !strstr(text, "secret"), "key in output:\n%s", text);
}

static void tsv(void)
{
	static const char end[] =
		" engine=user args=--to 'two words' mitosis://node1:7000/*** "
		"--ref=mitosis://node1/*** $'it\\'s\\012' *** ''\n";
	char *t = output(RECORD_TSV);

	CHECK(strstr(t, "# mitosis-exp 1 tool=test-record version=") == t, "comment:\n%s", t);
	CHECK(strstr(t, end), "args:\n%s", t);
	CHECK(!strcmp(after(t, 1),
		      "name\twss\tprepare_ns\tdelta\tratio\n"
		      "a\\tb\\\\c\\n\"\xff\t67108864\t1234567\t-5\t0.1\n"
		      "\\#second\tNA\tNA\tNA\tNA\n"
		      "y\t18446744073709551615\tNA\tNA\t0.3333333333333333\n"), "TSV:\n%s", t);
	check_secret(t);
	free(t);
}

/* A record a line, and before them what they are, if that is asked for. */
static void json(int header)
{
	char *t;

	record_json_header = header;
	t = output(RECORD_JSON);
	if (header)
		CHECK(strstr(t, "{\"meta\":{\"mitosis-exp\":1,\"tool\":\"test-record\",") == t, "%s", t);
	CHECK(!strcmp(after(t, header),
		      "{\"name\":\"a\\u0009b\\\\c\\u000a\\\"\xef\xbf\xbd\",\"wss\":67108864,"
		      "\"prepare_ns\":1234567,\"delta\":-5,\"ratio\":0.1}\n"
		      "{\"name\":\"#second\",\"wss\":null,\"prepare_ns\":null,\"delta\":null,"
		      "\"ratio\":null}\n"
		      "{\"name\":\"y\",\"wss\":18446744073709551615,\"prepare_ns\":null,"
		      "\"delta\":null,\"ratio\":0.3333333333333333}\n"), "JSON:\n%s", t);
	check_secret(t);
	free(t);
}

static void table(void)
{
	char *t = output(RECORD_TABLE);

	CHECK(!strcmp(t,
		      "name        wss  prepare_ns   delta      ratio\n"
		      "a?b\\c?\"\xff    64M     1.23 ms      -5        0.1\n"
		      "#second       -           -       -          -\n"
		      "y         16.0E           -       -    0.33333\n"), "table:\n%s", t);
	check_secret(t);
	free(t);
}

/* Nothing is written before the first record, and a full disk is an error. */
static void errors(void)
{
	struct record_stream *rs;
	char *text = NULL;
	size_t size = 0;
	FILE *f;

	f = open_memstream(&text, &size);
	if (!f || record_open(&rs, f, RECORD_AUTO, columns, 5, NULL, 1, args))
		exit(99);
	CHECK(!record_close(rs), "close");
	fclose(f);
	CHECK(size == 0, "an empty stream wrote \"%s\"", text);
	free(text);

	f = fopen("/dev/full", "w");
	if (!f)
		return;
	if (record_open(&rs, f, RECORD_AUTO, columns, 5, NULL, 1, args))
		exit(99);
	record_header(rs);
	record_begin(rs);
	record_end(rs);
	CHECK(record_error(rs) == -ENOSPC, "error %d", record_error(rs));
	CHECK(record_close(rs) == -ENOSPC, "close on a full disk");
	fclose(f);
	CHECK(!record_close(NULL), "close of nothing");
}

int main(void)
{
	tool_init("test-record");
	tsv();
	json(0);
	json(1);
	table();
	errors();
	return failures ? 1 : 0;
}
