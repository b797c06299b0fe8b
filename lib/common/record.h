/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * record.h - output as records: one column table gives TSV, JSON Lines, a table for the terminal
 * and the help text.
 *
 * TSV: a comment line
 *	# mitosis-exp 1 tool=T version=V host=H kernel=K engine=E args=A
 * (args goes to the end of the line, quoted for a shell; what would let a reader use a snapshot's
 * reference is replaced by ***), a header line, one line per record. Not measured: NA. In strings
 * tab, newline, carriage return and backslash are \t \n \r \\, a leading # is \#.
 *
 * JSON Lines: one object per record with the same columns in the same order, and nothing else: its
 * readers (jq, pandas) take each line for a record. Not measured: null. Who wants to keep the facts
 * of the comment asks for {"meta":{"mitosis-exp":1,"tool":T,...,"args":A}} as the first line
 * (--header).
 *
 * Table: aligned, human units, no comment line. Not measured: -
 *
 * Comment and header are written with the first record: a tool that fails before it has anything
 * to say writes nothing to stdout. A tool whose empty answer is an answer calls record_header().
 *
 *	enum { C_WSS, C_PREPARE };
 *	static const struct record_column columns[] = {
 *		[C_WSS]     = { "wss", RECORD_SIZE, "working set" },
 *		[C_PREPARE] = { "prepare_ns", RECORD_NS, "time the parent stood still" },
 *	};
 *	record_begin(rs);
 *	record_uint(rs, C_WSS, wss);
 *	record_uint(rs, C_PREPARE, t);
 *	record_end(rs);
 */
#ifndef RECORD_H
#define RECORD_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum record_type {
	RECORD_STRING,
	RECORD_UINT,
	RECORD_INT,
	RECORD_DOUBLE,
	RECORD_SIZE,	/* bytes; human on a terminal */
	RECORD_NS,	/* nanoseconds; human on a terminal */
};

struct record_column {
	const char *name;
	enum record_type type;
	const char *help;
};

enum record_format {
	RECORD_AUTO,	/* a table on a terminal, else TSV */
	RECORD_TSV,
	RECORD_JSON,
	RECORD_TABLE,
};

struct record_stream;

/* --header, for all streams of the process: JSON Lines begin with an object of what they are. */
extern int record_json_header;

/* cols, engine (NULL: "-") and argv must outlive the stream. Returns 0 or -errno. */
int record_open(struct record_stream **rs, FILE *out, enum record_format f,
		const struct record_column *cols, size_t ncols, const char *engine,
		int argc, char *const argv[]);

void record_begin(struct record_stream *rs);	/* all columns unset */
/* Any setter may be used on any column: the number is written as it is given. */
void record_uint(struct record_stream *rs, size_t col, uint64_t v);
void record_int(struct record_stream *rs, size_t col, int64_t v);
void record_double(struct record_stream *rs, size_t col, double v);	/* NaN, inf: not measured */
void record_string(struct record_stream *rs, size_t col, const char *v);	/* NULL: likewise */
void record_end(struct record_stream *rs);	/* writes at once: a signal loses none */

/* Writes comment and header now, if they are not written yet. */
void record_header(struct record_stream *rs);

/* The first error of the stream so far, 0 or -errno: a long measurement may stop early. */
int record_error(const struct record_stream *rs);

/*
 * Flushes and frees; out stays open. 0 or -errno. When out is stdout the error is also reported at
 * exit (tool_init()), so the tool returns STATUS_FAILED without a message of its own. NULL is fine.
 */
int record_close(struct record_stream *rs);

/* The terminal's table only: a least width, and the type one cell of this record is shown as. */
void record_set_width(struct record_stream *rs, size_t col, unsigned int width);
void record_show_as(struct record_stream *rs, size_t col, enum record_type type);

/* "Columns:" and one line for each, for --help. */
void record_print_columns(FILE *out, const struct record_column *cols, size_t ncols);

#endif
