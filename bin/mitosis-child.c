// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * mitosis-child - become a child of a snapshot.
 *
 * Linked statically: what counts here is the time from exec to the child's first instruction.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "library.h"
#include "mitosis.h"
#include "options.h"
#include "tool.h"

/* Standard input may carry other lines (the parent's own output): the first reference counts. */
static int read_reference(char ref[MITOSIS_REF_MAX])
{
	char line[4096];
	size_t n = 0;
	char c;

	/* Byte by byte: what follows is not ours. */
	while (read(0, &c, 1) == 1) {
		if (c != '\n') {
			if (n < sizeof(line) - 1)
				line[n++] = c;
			continue;
		}
		line[n] = '\0';
		n = 0;
		if ((!strncmp(line, "mitosis://", 10) || !strncmp(line, "mitosis+rdma://", 15)) &&
		    strlen(line) < MITOSIS_REF_MAX) {
			strcpy(ref, line);
			return 0;
		}
	}
	tool_error("standard input", "ended without a reference");
	return -EINVAL;
}

/* ---- options ---- */

enum {
	EAGER	= 1 << 0,
	REPLAY	= 1 << 1,
	NO_PUSH	= 1 << 2,
};
enum { PUBLISH = 1, INHERIT };
static const char *const circumstances[] = { "--mode eager", "--replay", "--no-push" };

static struct {
	char *engine, *mode, *window, *push, *timeout, *record, *replay, *notify, *address;
	char *tids, *clock, *net, *how, *number;
	char *publish, *inherit;	/* the last of each; all of them, with commas: */
	char *published, *inherited;
	int private, poll, no_push, strict, quiet, verbose;
} o;

static const struct tool_option options[] = {
	{ { "engine", 'e', POPT_ARG_STRING, &o.engine, 0,
	    "user (TCP and a pager) or kernel (RDMA and the kernel module); default: as the "
	    "reference says", "ENGINE" },
	  .with = 0 },
	{ { "private", '\0', POPT_ARG_NONE, &o.private, 0,
	    "engine kernel: share no page with other children of the snapshot on this host", NULL },
	  .with = 0 },
	{ { "poll", '\0', POPT_ARG_NONE, &o.poll, 0,
	    "engine kernel: a faulting thread spins instead of sleeping", NULL },
	  .with = 0 },
	{ { "mode", 'm', POPT_ARG_STRING, &o.mode, 0,
	    "fetch pages on 'demand' or all before the start ('eager'); 'auto', the default: "
	    "demand where this host allows it", "MODE" },
	  .with = 0 },
	{ { "how", '\0', POPT_ARG_STRING, &o.how, 0,
	    "pages on demand: the parent's shadow on this host puts them in their 'place', or they "
	    "come by 'tcp'; 'auto', the default: place where that can be",
	    "HOW" },
	  .without = EAGER },
	{ { "window", 'w', POPT_ARG_STRING, &o.window, 0,
	    "pages fetched per fault, 0 to 1024; 0 and 1: that one alone (default 32)", "PAGES" },
	  .with = 0 },
	{ { "push", '\0', POPT_ARG_STRING, &o.push, 0,
	    "share of the memory that the background fetches (default 100)", "PERCENT" },
	  .without = NO_PUSH },
	{ { "no-push", '\0', POPT_ARG_NONE, &o.no_push, 0,
	    "fetch on faults only", NULL },
	  .with = 0 },
	{ { "timeout", 't', POPT_ARG_STRING, &o.timeout, 0,
	    "longest silence of the parent's host (default 5s)", "TIME" },
	  .with = 0 },
	{ { "record", '\0', POPT_ARG_STRING, &o.record, 0,
	    "write the pages that the child fetches, in order of touch, to FILE; window 1, no push",
	    "FILE" },
	  .without = REPLAY | EAGER },
	{ { "replay", '\0', POPT_ARG_STRING, &o.replay, 0,
	    "fetch the pages in FILE first", "FILE" },
	  .with = 0 },
	{ { "address", '\0', POPT_ARG_STRING, &o.address, 0,
	    "where the reference's host is, instead of what its name stands for",
	    "ADDRESS[,ADDRESS...]" },
	  .with = 0 },
	{ { "tids", '\0', POPT_ARG_STRING, &o.tids, 0,
	    "its process and threads have their parent's numbers ('same', in namespaces of its "
	    "own) or 'new' ones; 'auto', the default: same for several threads, and for a parent "
	    "taken by PID",
	    "WHICH" },
	  .with = 0 },
	{ { "clock", '\0', POPT_ARG_STRING, &o.clock, 0,
	    "clocks that count from a machine's start are the parent's ('same', in a namespace of "
	    "their own) or those of the 'host'; 'auto', the default: same if they differ",
	    "WHICH" },
	  .with = 0 },
	{ { "net", '\0', POPT_ARG_STRING, &o.net, 0,
	    "its sockets are in the network of this 'host', the default, or in a 'new' one with "
	    "nothing but loopback, where the ports are free that its parent has",
	    "WHICH" },
	  .with = 0 },
	{ { "number", '\0', POPT_ARG_STRING, &o.number, 0,
	    "which child it is, as MITOSIS_CHILD in its environment says (default: as many as the "
	    "snapshot has had)",
	    "N" },
	  .with = 0 },
	{ { "notify", '\0', POPT_ARG_STRING, &o.notify, 0,
	    "when the child runs, write CLOCK_MONOTONIC in ns, 8 bytes, to this open descriptor",
	    "FD" },
	  .with = 0 },
	{ { "publish", '\0', POPT_ARG_STRING, &o.publish, PUBLISH,
	    "bind a socket to NEW that the parent had bound to OLD: ports, or paths or @NAMES of "
	    "unix sockets; may be repeated", "[ADDRESS:]OLD=[ADDRESS:]NEW" },
	  .with = 0 },
	{ { "inherit-fd", '\0', POPT_ARG_STRING, &o.inherit, INHERIT,
	    "this open descriptor M is the child's N, as a connection or the end of a pipe; may "
	    "be repeated", "N=M" },
	  .with = 0 },
	{ { "strict", '\0', POPT_ARG_NONE, &o.strict, 0,
	    "refuse rather than make a child that is not in all what its parent is", NULL },
	  .with = 0 },
	{ { "quiet", 'q', POPT_ARG_NONE, &o.quiet, 0,
	    "no warnings", NULL },
	  .with = 0 },
	{ { "verbose", 'v', POPT_ARG_NONE, &o.verbose, 0,
	    "say more on standard error", NULL },
	  .with = 0 },
	TOOL_OPTIONS_END
};

static int parse_mode(struct mitosis_resume_args *args)
{
	if (!o.mode || !strcmp(o.mode, "auto"))
		return 0;
	if (!strcmp(o.mode, "eager"))
		args->mode = MITOSIS_MODE_EAGER;
	else if (!strcmp(o.mode, "demand"))
		args->mode = MITOSIS_MODE_DEMAND;
	else
		return tool_usage_error("--mode", "%s: neither auto, demand nor eager", o.mode);
	return 0;
}

static int parse_fetching(struct mitosis_resume_args *args)
{
	uint64_t value;

	if (o.how && !strcmp(o.how, "place"))
		args->how = MITOSIS_HOW_PLACE;
	else if (o.how && !strcmp(o.how, "tcp"))
		args->how = MITOSIS_HOW_TCP;
	else if (o.how && strcmp(o.how, "auto"))
		return tool_usage_error("--how", "%s: neither auto, place nor tcp", o.how);
	if (o.window) {
		if (tool_arg_uint("--window", o.window, 0, 1024, &value))
			return STATUS_USAGE;
		args->window = value ? (uint32_t)value : 1;	/* 0 is the library's default */
	}
	if (o.push) {
		o.push[strcspn(o.push, "%")] = '\0';
		if (tool_arg_uint("--push", o.push, 0, 100, &value))
			return STATUS_USAGE;
		args->push_percent = (uint32_t)value;
		if (!value)
			args->flags |= MITOSIS_RESUME_NO_PUSH;
	}
	if (o.timeout) {
		if (tool_arg_duration("--timeout", o.timeout, &value))
			return STATUS_USAGE;
		if (value < 1000000 || value > 3600ULL * 1000000000)
			return tool_usage_error("--timeout", "%s: must be between 1ms and 1h",
						o.timeout);
		args->timeout_ms = (uint32_t)(value / 1000000);
	}
	return 0;
}

static int parse_identity(struct mitosis_resume_args *args)
{
	uint64_t number = 0;

	if (o.number && tool_arg_uint("--number", o.number, 1, UINT32_MAX, &number))
		return STATUS_USAGE;
	args->number = (uint32_t)number;
	if (o.tids && !strcmp(o.tids, "same"))
		args->tids = MITOSIS_TIDS_SAME;
	else if (o.tids && !strcmp(o.tids, "new"))
		args->tids = MITOSIS_TIDS_NEW;
	else if (o.tids && strcmp(o.tids, "auto"))
		return tool_usage_error("--tids", "%s: neither same, new nor auto", o.tids);
	if (o.clock && !strcmp(o.clock, "same"))
		args->clock = MITOSIS_CLOCK_SAME;
	else if (o.clock && !strcmp(o.clock, "host"))
		args->clock = MITOSIS_CLOCK_HOST;
	else if (o.clock && strcmp(o.clock, "auto"))
		return tool_usage_error("--clock", "%s: neither same, host nor auto", o.clock);
	if (o.net && !strcmp(o.net, "new"))
		args->net = MITOSIS_NET_NEW;
	else if (o.net && strcmp(o.net, "host"))
		return tool_usage_error("--net", "%s: neither host nor new", o.net);
	return 0;
}

static int parse_notify(struct mitosis_resume_args *args)
{
	uint64_t value;
	int flags;

	if (!o.notify)
		return 0;
	if (tool_arg_uint("--notify", o.notify, 3, 1023, &value))
		return STATUS_USAGE;
	flags = fcntl((int)value, F_GETFL);
	if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY)
		return tool_usage_error("--notify", "%s: %s", o.notify,
					flags < 0 ? strerror(errno) : "not open for writing");
	args->notify_fd = (uint32_t)value;
	return 0;
}

static int parse(struct mitosis_resume_args *args)
{
	unsigned int in_force;

	if (parse_mode(args) || parse_fetching(args) || parse_identity(args) || parse_notify(args))
		return STATUS_USAGE;
	if (o.engine && strcmp(o.engine, "user") && strcmp(o.engine, "kernel"))
		return tool_usage_error("--engine", "%s: neither user nor kernel", o.engine);
	in_force = (args->mode == MITOSIS_MODE_EAGER ? EAGER : 0) | (o.replay ? REPLAY : 0) |
		   (o.no_push ? NO_PUSH : 0);
	if (tool_options_check(options, circumstances, in_force))
		return STATUS_USAGE;
	args->engine = o.engine;
	args->record = o.record;
	args->replay = o.replay;
	args->addresses = o.address;
	args->publish = o.published;
	args->inherit_fds = o.inherited;
	args->flags |= o.private ? MITOSIS_RESUME_PRIVATE : 0;
	args->flags |= o.poll ? MITOSIS_RESUME_POLL : 0;
	args->flags |= o.strict ? MITOSIS_RESUME_STRICT : 0;
	args->flags |= o.no_push ? MITOSIS_RESUME_NO_PUSH : 0;
	return 0;
}

static int add(char **list, const char *option, const char *value)
{
	char *all;

	if (strchr(value, ','))
		return tool_usage_error(option, "%s: one at a time", value);
	if (asprintf(&all, "%s%s%s", *list ? *list : "", *list ? "," : "", value) < 0)
		return tool_usage_error(option, "%s", strerror(ENOMEM));
	free(*list);
	*list = all;
	return 0;
}

/* The options one after the other, of which some are lists. 0 or STATUS_USAGE. */
static int read_options(poptContext con)
{
	for (;;) {
		int opt = tool_next(con), status = STATUS_USAGE;

		if (opt == TOOL_END)
			return 0;
		if (opt == PUBLISH)
			status = add(&o.published, "--publish", o.publish);
		else if (opt == INHERIT)
			status = add(&o.inherited, "--inherit-fd", o.inherit);
		if (status)
			return status;
	}
}

/* The UUID is the only key to the snapshot: nobody shall read it in ps. */
static void hide(const char *ref, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		char *key = strcmp(argv[i], ref) ? NULL : strrchr(argv[i], '/');

		if (key)
			memset(key + 1, '*', strlen(key + 1));
	}
}

/* Which snapshot? 0, or an exit status after a message. */
static int find_reference(poptContext con, int argc, char **argv, struct mitosis_resume_args *args,
			  char ref[MITOSIS_REF_MAX])
{
	const char *given = poptGetArg(con);

	if (!given)
		return tool_usage_error(NULL, "no reference given");
	if (poptPeekArg(con))
		return tool_usage_error(NULL, "only one reference is expected");
	if (!strcmp(given, "-")) {
		args->flags |= MITOSIS_RESUME_DISCARD_STDIN;
		return read_reference(ref) ? STATUS_CANNOT_RUN : 0;
	}
	if (strlen(given) >= MITOSIS_REF_MAX)
		return tool_usage_error(NULL, "the reference is too long");
	strcpy(ref, given);
	hide(ref, argc, argv);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct tool_info info = {
		.synopsis = "[OPTION...] REFERENCE|-",
		.summary = "Become a child of the snapshot that REFERENCE names: "
			   "go on where its parent stood at\n"
			   "prepare, with memory that arrives on demand. With -, the first line of "
			   "standard input\n"
			   "that is a reference counts, and the child reads /dev/null.",
		.examples = "  mitosis-child mitosis://127.0.0.1:40123/6f1c...\n"
			    "  mitosis-parent | ssh node2 mitosis-child -\n",
		.exit_status = "  the child's own; "
			       "125 it could not be resumed, or its memory was lost\n",
	};
	struct mitosis_resume_args args = MITOSIS_RESUME_ARGS_INIT;
	struct library_voice voice;
	char ref[MITOSIS_REF_MAX];
	int status, err;
	poptContext con;

	tool_init_plain("mitosis-child");
	con = tool_options_context(argc, argv, options, POPT_CONTEXT_POSIXMEHARDER, &info);
	status = read_options(con);
	if (!status)
		status = parse(&args);
	if (!status)
		status = find_reference(con, argc, argv, &args, ref);
	poptFreeContext(con);
	if (status)
		return status;
	voice = (struct library_voice){ .quiet = o.quiet, .verbose = o.verbose };
	mitosis_set_logger(library_log, &voice);
	/* It returns if there is no child. */
	err = mitosis_resume(ref, &args);
	library_failed("resume", err);
	return err == -EINVAL ? STATUS_USAGE : STATUS_CANNOT_RUN;
}
