// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* tool.c - the frame of a popt tool: start, messages, common options, help. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <locale.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "progress.h"
#include "tool.h"
#include "units.h"

const char *tool_name = "mitosis";

static int write_errno;
static bool stdout_closed;
static const struct tool_info *tool_info;
static int tool_argc;
static char **tool_argv;

void tool_note_write_error(int err)
{
	if (!write_errno)
		write_errno = err;
}

/* A closed pipe is the reader's decision: end as a process does that SIGPIPE reached. */
static void end_by_sigpipe(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	raise(SIGPIPE);
	_exit(128 + SIGPIPE);
}

static void close_stdout(void)
{
	bool pending = __fpending(stdout) > 0;
	bool failed = ferror(stdout) || write_errno;

	stdout_closed = true;
	errno = 0;
	/* A tool started without stdout that had nothing to print is fine. */
	if (fclose(stdout) && (failed || pending || errno != EBADF)) {
		failed = true;
		tool_note_write_error(errno);
	}
	if (!failed)
		return;
	if (write_errno == EPIPE)
		end_by_sigpipe();
	if (write_errno)
		tool_error(NULL, "write error: %s", strerror(write_errno));
	else
		tool_error(NULL, "write error");
	_exit(STATUS_FAILED);
}

/*
 * A standard descriptor that the tool was started without would be the next file's or connection's,
 * which messages or records then go to. /dev/null opened the other way round takes its place: to
 * read or to write fails with EBADF as before. A program that this one executes finds it closed
 * again.
 */
static void fill_standard_descriptors(void)
{
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
			open("/dev/null", (fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) | O_CLOEXEC);
}

void tool_init_plain(const char *name)
{
	tool_name = name;
	fill_standard_descriptors();
	atexit(close_stdout);
}

void tool_init(const char *name)
{
	setlocale(LC_ALL, "");
	setlocale(LC_NUMERIC, "C");
	tool_init_plain(name);
}

static void message(const char *object, const char *kind, const char *fmt, va_list ap)
{
	flockfile(stderr);
	progress_clear();
	if (!stdout_closed)
		fflush(stdout);	/* on a terminal, records stand before a message about them */
	fprintf(stderr, "%s: ", tool_name);
	if (object)
		fprintf(stderr, "%s: ", object);
	fputs(kind, stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	funlockfile(stderr);
}

void tool_error(const char *object, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	message(object, "", fmt, ap);
	va_end(ap);
}

void tool_warn(const char *object, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	message(object, "warning: ", fmt, ap);
	va_end(ap);
}

int tool_usage_error(const char *option, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	message(option, "", fmt, ap);
	va_end(ap);
	fprintf(stderr, "Try '%s --help' for more information.\n", tool_name);
	return STATUS_USAGE;
}

/* Help */

static void print_footer(void)
{
	if (!tool_info)
		return;
	if (tool_info->columns) {
		putchar('\n');
		record_print_columns(stdout, tool_info->columns, tool_info->ncolumns);
	}
	if (tool_info->examples)
		printf("\nExamples:\n%s", tool_info->examples);
	printf("\nExit status:\n%s", tool_info->exit_status ? tool_info->exit_status :
	       "  0 done, 1 failed, 2 wrong usage\n");
	printf("\nSee %s(1).\n", tool_name);
}

static void common_option(poptContext con, enum poptCallbackReason reason,
			  const struct poptOption *opt, const char *arg, const void *data)
{
	switch (opt->val) {
	case 'h':
		poptPrintHelp(con, stdout, 0);
		print_footer();
		break;
	case 'u':
		poptPrintUsage(con, stdout, 0);
		break;
	case 'V':
		printf("%s (mitosis-exp %s)\n", tool_name, PACKAGE_VERSION);
		break;
	default:
		return;
	}
	poptFreeContext(con);
	exit(STATUS_OK);
}

struct poptOption tool_common_options[] = {
	{ NULL, '\0', POPT_ARG_CALLBACK, (void *)common_option, 0, NULL, NULL },
	{ "help", 'h', POPT_ARG_NONE, NULL, 'h', "Show this help", NULL },
	{ "usage", '\0', POPT_ARG_NONE, NULL, 'u', "Show the options in short", NULL },
	{ "version", 'V', POPT_ARG_NONE, NULL, 'V', "Show the version", NULL },
	POPT_TABLEEND
};

poptContext tool_context(int argc, char **argv, const struct poptOption *options,
			 unsigned int flags, const struct tool_info *info)
{
	static char help[1024];
	poptContext con;

	tool_info = info;
	tool_argc = argc;
	tool_argv = argv;
	con = poptGetContext(tool_name, argc, (const char **)argv, options, flags);
	if (!con) {
		tool_error(NULL, "%s", strerror(ENOMEM));
		exit(STATUS_FAILED);
	}
	if (info) {
		snprintf(help, sizeof(help), "%s\n%s\n", info->synopsis, info->summary);
		poptSetOtherOptionHelp(con, help);
	}
	return con;
}

/*
 * popt names the argument it stopped at: for "--count x" that is x. The strings are still those of
 * argv, so that the option is the one before.
 */
int tool_next(poptContext con)
{
	const char *bad, *option, *value = NULL;
	int i, opt;

	opt = poptGetNextOpt(con);
	if (opt >= 0)
		return opt;
	if (opt == TOOL_END)
		return TOOL_END;
	bad = poptBadOption(con, POPT_BADOPTION_NOALIAS);
	option = bad;
	if (opt == POPT_ERROR_BADNUMBER || opt == POPT_ERROR_OVERFLOW) {
		for (i = 2; bad && i < tool_argc; i++) {
			/* "--count=x" and "-cx" are both option and value */
			if (tool_argv[i] == bad && tool_argv[i - 1][0] == '-' &&
			    !strchr(tool_argv[i - 1], '=') && strncmp(bad, "--", 2)) {
				option = tool_argv[i - 1];
				value = bad;
			}
		}
		tool_usage_error(option, "%s%snot a valid number%s", value ? value : "",
				 value ? ": " : "",
				 opt == POPT_ERROR_OVERFLOW ? " (too large)" : "");
	} else if (opt == POPT_ERROR_BADOPT) {
		tool_usage_error(option, "no such option");
	} else if (opt == POPT_ERROR_NOARG) {
		tool_usage_error(option, "needs a value");
	} else {
		tool_usage_error(option, "%s", poptStrerror(opt));
	}
	return TOOL_BAD_OPTION;
}

/* Values */

static int value_error(const char *option, const char *s, int err, const char *what)
{
	if (err == -ERANGE)
		return tool_usage_error(option, "%s: out of range", s);
	if (err == -ENOMEM)
		return tool_usage_error(option, "%s", strerror(ENOMEM));
	return tool_usage_error(option, "'%s' is not %s", s, what);
}

int tool_arg_size(const char *option, const char *s, uint64_t *bytes)
{
	int r = units_parse_size(s, bytes);

	return r ? value_error(option, s, r, "a size such as 4096, 64K or 1.5G") : 0;
}

int tool_arg_sizes(const char *option, const char *s, uint64_t **list, size_t *n)
{
	int r = units_parse_sizes(s, list, n);

	return r ? value_error(option, s, r, "a list of sizes such as 64K,1M or 1M..1G") : 0;
}

int tool_arg_duration(const char *option, const char *s, uint64_t *ns)
{
	int r = units_parse_duration(s, ns);

	return r ? value_error(option, s, r, "a duration such as 10s, 250ms or 5us") : 0;
}

static int range_error(const char *option, const char *s, uint64_t min, uint64_t max)
{
	if (max == UINT64_MAX)
		return tool_usage_error(option, "%s: must be at least %" PRIu64, s, min);
	return tool_usage_error(option, "%s: must be from %" PRIu64 " to %" PRIu64, s, min, max);
}

int tool_arg_uint(const char *option, const char *s, uint64_t min, uint64_t max, uint64_t *v)
{
	uint64_t *list = NULL;
	size_t n;
	int r;

	r = s[strspn(s, "0123456789")] ? -EINVAL : units_parse_uints(s, min, max, &list, &n);
	if (r == -ERANGE)
		return range_error(option, s, min, max);
	if (r)
		return value_error(option, s, r, "a whole number");
	*v = list[0];
	free(list);
	return 0;
}

int tool_arg_uints(const char *option, const char *s, uint64_t min, uint64_t max,
		   uint64_t **list, size_t *n)
{
	int r = units_parse_uints(s, min, max, list, n);

	if (r == -ERANGE)
		return range_error(option, s, min, max);
	return r ? value_error(option, s, r, "a list such as 1,2,4 or 1..8 or 0..100:10") : 0;
}

int tool_arg_words(const char *option, const char *s, const char *const names[],
		   bool *const flags[])
{
	char *copy = strdup(s), *save = NULL, *word;
	int err = copy && *copy ? 0 : tool_usage_error(option, "an empty list");

	for (word = strtok_r(copy, ",", &save); word && !err; word = strtok_r(NULL, ",", &save)) {
		size_t i;

		for (i = 0; names[i] && strcmp(names[i], word); i++)
			;
		if (names[i])
			*flags[i] = true;
		else
			err = tool_usage_error(option, "%s: not known", word);
	}
	free(copy);
	return err;
}
