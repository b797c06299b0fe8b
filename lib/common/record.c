// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * record.c - output as records: TSV, JSON Lines or a table, from one column table.
 *
 * A record is collected cell by cell, laid out in one buffer and handed to stdio in one call, so
 * that a reader of a pipe never sees half a record of a tool that was killed.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "progress.h"
#include "record.h"
#include "tool.h"
#include "units.h"

#define FORMAT_VERSION 1

int record_json_header;

enum kind { UNSET, UNSIGNED, SIGNED, REAL, TEXT };

struct cell {
	enum kind kind;
	enum record_type show_as;
	union {
		uint64_t u;
		int64_t i;
		double d;
	};
	char *text;
};

struct buffer {
	char *data;
	size_t len, room;
	bool failed;
};

struct record_stream {
	FILE *out;
	enum record_format format;
	const struct record_column *cols;
	size_t ncols;
	const char *engine;
	int argc;
	char *const *argv;
	struct cell *cells;
	unsigned int *widths;
	struct buffer line;
	bool header_done;
	bool on_terminal;	/* where a progress bar may stand */
	int error;
};

/* Buffer */

static void put(struct buffer *b, const char *s, size_t len)
{
	size_t room = b->room ? b->room : 256;
	char *grown;

	if (b->failed)
		return;
	while (room - b->len < len)
		room *= 2;
	if (room != b->room) {
		grown = realloc(b->data, room);
		if (!grown) {
			b->failed = true;
			return;
		}
		b->data = grown;
		b->room = room;
	}
	memcpy(b->data + b->len, s, len);
	b->len += len;
}

static void put_string(struct buffer *b, const char *s)
{
	put(b, s, strlen(s));
}

static void put_char(struct buffer *b, char c)
{
	put(b, &c, 1);
}

static void put_pad(struct buffer *b, size_t n)
{
	while (n--)
		put_char(b, ' ');
}

__attribute__((format(printf, 2, 3)))
static void put_format(struct buffer *b, const char *fmt, ...)
{
	char text[64];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	put_string(b, text);
}

/* The shortest decimal that reads back as the same double. */
static void put_double(struct buffer *b, double v)
{
	char text[32];
	int digits;

	for (digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	put_string(b, text);
}

/* The length of the well-formed UTF-8 character at s, 0 if it is not one. */
static size_t utf8_length(const unsigned char *s)
{
	size_t n, i;

	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	for (i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	/* overlong, surrogate, beyond U+10FFFF */
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

static void put_json_string(struct buffer *b, const char *s)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t n;

	put_char(b, '"');
	while (*p) {
		n = utf8_length(p);
		if (!n) {
			put_string(b, "\xef\xbf\xbd");	/* U+FFFD */
			p++;
			continue;
		}
		if (*p == '"' || *p == '\\')
			put_format(b, "\\%c", *p);
		else if (*p < 0x20 || *p == 0x7f)
			put_format(b, "\\u%04x", *p);
		else
			put(b, (const char *)p, n);
		p += n;
	}
	put_char(b, '"');
}

static void put_tsv_string(struct buffer *b, const char *s, bool line_start)
{
	if (line_start && *s == '#')
		put_char(b, '\\');
	for (; *s; s++) {
		switch (*s) {
		case '\t':
			put_string(b, "\\t");
			break;
		case '\n':
			put_string(b, "\\n");
			break;
		case '\r':
			put_string(b, "\\r");
			break;
		case '\\':
			put_string(b, "\\\\");
			break;
		default:
			put_char(b, *s);
		}
	}
}

/* The arguments, for the comment */

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_uuid(const char *s)
{
	static const char shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	size_t i;

	for (i = 0; shape[i]; i++) {
		if (shape[i] == '-' ? s[i] != '-' : !is_hex(s[i]))
			return false;
	}
	return true;
}

/*
 * A reference's UUID is the key to the snapshot and a record is kept and passed on, so it must not
 * get into one: not at the end of a reference, and not on its own. Writes the masked argument.
 */
static void put_masked(struct buffer *b, const char *arg)
{
	static const char scheme[] = "mitosis://";
	size_t n;

	while (*arg) {
		if (is_uuid(arg)) {
			put_string(b, "***");
			arg += 36;
		} else if (!strncasecmp(arg, scheme, strlen(scheme))) {
			n = strlen(scheme) + strcspn(arg + strlen(scheme), "/ \t\n,;'\"");
			put(b, arg, n);
			arg += n;
			if (*arg != '/')
				continue;
			put_string(b, "/***");
			arg += strcspn(arg, " \t\n,;'\"");
		} else {
			put_char(b, *arg++);
		}
	}
}

static void put_quoted(struct buffer *b, const char *arg)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789_@%+=:,./*-";
	bool control = false;
	const char *p;

	for (p = arg; *p; p++)
		control = control || (unsigned char)*p < 0x20 || *p == 0x7f;
	if (*arg && arg[strspn(arg, plain)] == '\0') {
		put_string(b, arg);
		return;
	}
	put_string(b, control ? "$'" : "'");
	for (p = arg; *p; p++) {
		if (control && ((unsigned char)*p < 0x20 || *p == 0x7f))
			put_format(b, "\\%03o", (unsigned char)*p);
		else if (control && (*p == '\'' || *p == '\\'))
			put_format(b, "\\%c", *p);
		else if (*p == '\'')
			put_string(b, "'\\''");
		else
			put_char(b, *p);
	}
	put_char(b, '\'');
}

/* All arguments but the tool's name, masked and quoted, as one string. */
static char *describe_args(int argc, char *const argv[])
{
	struct buffer all = { 0 }, one = { 0 };
	int i;

	for (i = 1; i < argc; i++) {
		one.len = 0;
		put_masked(&one, argv[i]);
		put_char(&one, '\0');
		if (one.failed)
			break;
		if (i > 1)
			put_char(&all, ' ');
		put_quoted(&all, one.data);
	}
	put_char(&all, '\0');
	all.failed = all.failed || one.failed;
	free(one.data);
	if (all.failed) {
		free(all.data);
		return NULL;
	}
	return all.data;
}

/* Header */

static void put_meta(struct record_stream *rs)
{
	struct utsname host = { 0 };
	struct buffer *b = &rs->line;
	const char *facts[][2] = {
		{ "tool", tool_name },
		{ "version", PACKAGE_VERSION },
		{ "host", host.nodename },
		{ "kernel", host.release },
		{ "engine", rs->engine ? rs->engine : "-" },
		{ "args", NULL },
	};
	bool json = rs->format == RECORD_JSON;
	char *args;
	size_t i;

	uname(&host);
	args = describe_args(rs->argc, rs->argv);
	if (!args)
		b->failed = true;
	facts[5][1] = args ? args : "";
	if (json)
		put_format(b, "{\"meta\":{\"mitosis-exp\":%d", FORMAT_VERSION);
	else
		put_format(b, "# mitosis-exp %d", FORMAT_VERSION);
	for (i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
		put_string(b, json ? ",\"" : " ");
		put_string(b, facts[i][0]);
		put_string(b, json ? "\":" : "=");
		if (json)
			put_json_string(b, facts[i][1]);
		else
			put_string(b, facts[i][1]);
	}
	put_string(b, json ? "}}\n" : "\n");
	free(args);
}

static bool is_left(const struct record_column *col)
{
	return col->type == RECORD_STRING;
}

/* Columns of a terminal, roughly: the bytes that begin a character. */
static size_t display_width(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static void put_aligned(struct record_stream *rs, size_t col, const char *text)
{
	size_t width = display_width(text);
	size_t pad;

	/* What does not fit widens the column from here on: a table streams. */
	if (width > rs->widths[col])
		rs->widths[col] = (unsigned int)width;
	pad = rs->widths[col] - width;
	if (col)
		put_string(&rs->line, "  ");
	if (!is_left(&rs->cols[col]))
		put_pad(&rs->line, pad);
	put_string(&rs->line, text);
	if (is_left(&rs->cols[col]) && col + 1 < rs->ncols)
		put_pad(&rs->line, pad);
}

static void write_line(struct record_stream *rs)
{
	struct buffer *b = &rs->line;

	if (rs->error)
		return;
	if (rs->on_terminal) {
		flockfile(stderr);
		progress_clear();
	}
	if (b->failed)
		rs->error = -ENOMEM;
	else if (fwrite(b->data, 1, b->len, rs->out) != b->len)
		rs->error = -errno;
	else if (fflush(rs->out))
		rs->error = -errno;
	if (rs->on_terminal)
		funlockfile(stderr);
	if (rs->error && rs->out == stdout)
		tool_note_write_error(-rs->error);
}

static void put_header(struct record_stream *rs)
{
	size_t i;

	if (rs->header_done)
		return;
	rs->header_done = true;
	if (rs->format == RECORD_TSV || (rs->format == RECORD_JSON && record_json_header))
		put_meta(rs);
	if (rs->format == RECORD_JSON)
		return;
	for (i = 0; i < rs->ncols; i++) {
		if (rs->format == RECORD_TABLE) {
			put_aligned(rs, i, rs->cols[i].name);
			continue;
		}
		if (i)
			put_char(&rs->line, '\t');
		put_tsv_string(&rs->line, rs->cols[i].name, !i);
	}
	put_char(&rs->line, '\n');
}

void record_header(struct record_stream *rs)
{
	rs->line.len = 0;
	put_header(rs);
	write_line(rs);
}

/* Cells */

static void put_number(struct buffer *b, const struct cell *c)
{
	if (c->kind == UNSIGNED)
		put_format(b, "%" PRIu64, c->u);
	else if (c->kind == SIGNED)
		put_format(b, "%" PRId64, c->i);
	else
		put_double(b, c->d);
}

static double cell_value(const struct cell *c)
{
	return c->kind == UNSIGNED ? (double)c->u : c->kind == SIGNED ? (double)c->i : c->d;
}

static const char *human(const struct cell *c, char buf[32])
{
	double v = cell_value(c);

	if (c->show_as == RECORD_NS)
		return units_format_ns(v, buf);
	if (c->show_as == RECORD_SIZE && c->kind == UNSIGNED)
		return units_format_size(c->u, buf);
	if (c->show_as == RECORD_SIZE && v >= 0 && v < 0x1p63)
		return units_format_size((uint64_t)(v + 0.5), buf);
	if (c->kind == UNSIGNED)
		snprintf(buf, 32, "%" PRIu64, c->u);
	else if (c->kind == SIGNED)
		snprintf(buf, 32, "%" PRId64, c->i);
	else if (fabs(v) >= 1e5 && fabs(v) < 1e15)
		snprintf(buf, 32, "%.0f", v);
	else
		snprintf(buf, 32, "%.5g", v);
	return buf;
}

/* A string on a terminal: control characters would let a file name move the cursor. */
static const char *printable(char *text)
{
	char *p;

	for (p = text; *p; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	}
	return text;
}

static void put_cell(struct record_stream *rs, size_t col)
{
	struct cell *c = &rs->cells[col];
	struct buffer *b = &rs->line;
	char text[32];

	switch (rs->format) {
	case RECORD_TABLE:
		if (c->kind == UNSET)
			put_aligned(rs, col, "-");
		else if (c->kind == TEXT)
			put_aligned(rs, col, printable(c->text));
		else
			put_aligned(rs, col, human(c, text));
		return;
	case RECORD_JSON:
		put_char(b, col ? ',' : '{');
		put_json_string(b, rs->cols[col].name);
		put_char(b, ':');
		if (c->kind == UNSET)
			put_string(b, "null");
		else if (c->kind == TEXT)
			put_json_string(b, c->text);
		else
			put_number(b, c);
		return;
	default:
		if (col)
			put_char(b, '\t');
		if (c->kind == UNSET)
			put_string(b, "NA");
		else if (c->kind == TEXT)
			put_tsv_string(b, c->text, !col);
		else
			put_number(b, c);
	}
}

static struct cell *set(struct record_stream *rs, size_t col, enum kind kind)
{
	struct cell *c = &rs->cells[col];

	free(c->text);
	c->text = NULL;
	c->kind = kind;
	return c;
}

void record_begin(struct record_stream *rs)
{
	size_t i;

	for (i = 0; i < rs->ncols; i++)
		set(rs, i, UNSET)->show_as = rs->cols[i].type;
}

void record_uint(struct record_stream *rs, size_t col, uint64_t v)
{
	set(rs, col, UNSIGNED)->u = v;
}

void record_int(struct record_stream *rs, size_t col, int64_t v)
{
	set(rs, col, SIGNED)->i = v;
}

void record_double(struct record_stream *rs, size_t col, double v)
{
	set(rs, col, isfinite(v) ? REAL : UNSET)->d = v;
}

void record_string(struct record_stream *rs, size_t col, const char *v)
{
	struct cell *c = set(rs, col, UNSET);

	if (!v)
		return;
	c->text = strdup(v);
	if (c->text)
		c->kind = TEXT;
	else
		rs->line.failed = true;
}

void record_show_as(struct record_stream *rs, size_t col, enum record_type type)
{
	rs->cells[col].show_as = type;
}

void record_set_width(struct record_stream *rs, size_t col, unsigned int width)
{
	if (width > rs->widths[col])
		rs->widths[col] = width;
}

void record_end(struct record_stream *rs)
{
	size_t i;

	rs->line.len = 0;
	put_header(rs);
	for (i = 0; i < rs->ncols; i++)
		put_cell(rs, i);
	put_string(&rs->line, rs->format == RECORD_JSON ? "}\n" : "\n");
	write_line(rs);
}

/* Stream */

static unsigned int natural_width(const struct record_column *col)
{
	static const unsigned int least[] = {
		[RECORD_STRING] = 8, [RECORD_UINT] = 6, [RECORD_INT] = 6, [RECORD_DOUBLE] = 9,
		[RECORD_SIZE] = 5, [RECORD_NS] = 7,
	};
	size_t name = display_width(col->name);

	return name > least[col->type] ? (unsigned int)name : least[col->type];
}

int record_open(struct record_stream **rsp, FILE *out, enum record_format f,
		const struct record_column *cols, size_t ncols, const char *engine,
		int argc, char *const argv[])
{
	struct record_stream *rs;
	size_t i;

	rs = calloc(1, sizeof(*rs));
	if (!rs)
		return -ENOMEM;
	rs->cells = calloc(ncols ? ncols : 1, sizeof(*rs->cells));
	rs->widths = calloc(ncols ? ncols : 1, sizeof(*rs->widths));
	if (!rs->cells || !rs->widths) {
		free(rs->cells);
		free(rs->widths);
		free(rs);
		return -ENOMEM;
	}
	rs->out = out;
	rs->format = f;
	rs->cols = cols;
	rs->ncols = ncols;
	rs->engine = engine;
	rs->argc = argc;
	rs->argv = argv;
	rs->on_terminal = fileno(out) >= 0 && isatty(fileno(out));
	if (f == RECORD_AUTO)
		rs->format = rs->on_terminal ? RECORD_TABLE : RECORD_TSV;
	for (i = 0; i < ncols; i++)
		rs->widths[i] = natural_width(&cols[i]);
	*rsp = rs;
	return 0;
}

int record_error(const struct record_stream *rs)
{
	return rs->error;
}

int record_close(struct record_stream *rs)
{
	int error;
	size_t i;

	if (!rs)
		return 0;
	if (!rs->error && fflush(rs->out)) {
		rs->error = -errno;
		if (rs->out == stdout)
			tool_note_write_error(errno);
	}
	error = rs->error;
	for (i = 0; i < rs->ncols; i++)
		free(rs->cells[i].text);
	free(rs->cells);
	free(rs->widths);
	free(rs->line.data);
	free(rs);
	return error;
}

void record_print_columns(FILE *out, const struct record_column *cols, size_t ncols)
{
	size_t i, width = 0;

	for (i = 0; i < ncols; i++) {
		if (strlen(cols[i].name) > width)
			width = strlen(cols[i].name);
	}
	fputs("Columns:\n", out);
	for (i = 0; i < ncols; i++)
		fprintf(out, "  %-*s  %s\n", (int)width, cols[i].name, cols[i].help);
}
