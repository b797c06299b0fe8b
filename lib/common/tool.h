/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * tool.h - the frame of a popt tool: start, messages, common options, help.
 *
 *	static const struct tool_info info = {
 *		.synopsis = "[OPTION...] REF",
 *		.summary  = "Resume a snapshot as a child of this shell.",
 *		.columns  = columns, .ncolumns = ARRAY_SIZE(columns),
 *		.examples = "  mitosis-child mitosis://node1:7000/...\n",
 *	};
 *
 *	int main(int argc, char **argv)
 *	{
 *		struct poptOption options[] = { ..., TOOL_COMMON_OPTIONS, POPT_TABLEEND };
 *		poptContext con;
 *		int opt;
 *
 *		tool_init("mitosis-child");
 *		con = tool_context(argc, argv, options, 0, &info);
 *		opt = tool_next(con);
 *		while (opt > 0) { switch (opt) { ... } opt = tool_next(con); }
 *		if (opt != TOOL_END) -> poptFreeContext(con), return STATUS_USAGE
 */
#ifndef TOOL_H
#define TOOL_H

#include <popt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "record.h"
#include "status.h"

extern const char *tool_name;

/*
 * Sets the locale (LC_NUMERIC stays "C"), stores the name (not copied), and has stdout checked at
 * exit: a write error is reported and the exit status becomes 1; a closed pipe ends the process
 * silently, as SIGPIPE does. Descriptors 0 to 2 are taken from here on, if only by what fails with
 * EBADF.
 */
void tool_init(const char *name);
/* The same without a locale, whose dozen files are half of the start of a small tool. */
void tool_init_plain(const char *name);

/* "TOOL: object: reason" on stderr; object may be NULL. A progress bar is cleared first. */
void tool_error(const char *object, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* "TOOL: object: warning: text" */
void tool_warn(const char *object, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * "TOOL: option: reason" and "Try 'TOOL --help' for more information."; option as the user knows
 * it ("--size"), or NULL. Returns STATUS_USAGE.
 */
int tool_usage_error(const char *option, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

struct tool_info {
	const char *synopsis;			/* after the name: "[OPTION...] FILE..." */
	const char *summary;			/* what it does, one or two sentences */
	const struct record_column *columns;	/* of the output; NULL: none */
	size_t ncolumns;
	const char *examples;			/* lines, each ending in \n; NULL: none */
	const char *exit_status;		/* likewise; NULL: 0, 1, 2 */
};

/* -h, --help, --usage and -V, --version, for the end of each tool's table. */
extern struct poptOption tool_common_options[];
#define TOOL_COMMON_OPTIONS \
	{ NULL, '\0', POPT_ARG_INCLUDE_TABLE, tool_common_options, 0, "Common options:", NULL }

/* --header, beside --json. */
#define TOOL_HEADER_OPTION \
	{ "header", '\0', POPT_ARG_NONE, &record_json_header, 0, \
	  "--json: first an object with the key meta: tool, version, host, kernel, engine, args", \
	  NULL }

/*
 * poptGetContext() with the help attached. flags as there: a tool that runs a command passes
 * POPT_CONTEXT_POSIXMEHARDER. info must outlive the context. The caller frees the context with
 * poptFreeContext() before it leaves main.
 */
poptContext tool_context(int argc, char **argv, const struct poptOption *options,
			 unsigned int flags, const struct tool_info *info);

enum {
	TOOL_END = -1,		/* no more options */
	TOOL_BAD_OPTION = -2,	/* already reported: leave with STATUS_USAGE */
};

/* The next option's val, TOOL_END or TOOL_BAD_OPTION. */
int tool_next(poptContext con);

/*
 * The value of an option: 0, or STATUS_USAGE after a message that names option and value.
 * What the list forms return is freed by the caller.
 */
int tool_arg_size(const char *option, const char *s, uint64_t *bytes);
int tool_arg_sizes(const char *option, const char *s, uint64_t **list, size_t *n);
int tool_arg_duration(const char *option, const char *s, uint64_t *ns);
int tool_arg_uint(const char *option, const char *s, uint64_t min, uint64_t max, uint64_t *v);
int tool_arg_uints(const char *option, const char *s, uint64_t min, uint64_t max,
		   uint64_t **list, size_t *n);

/*
 * A comma-separated list of known words: sets the flag beside each that occurs. names ends in NULL.
 */
int tool_arg_words(const char *option, const char *s, const char *const names[],
		   bool *const flags[]);

/* The errno that a write to stdout failed with, for the message at exit (record.c calls it). */
void tool_note_write_error(int err);

#endif
