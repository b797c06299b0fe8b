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
		if ((!strncmp(line, "mitosis://", 10) || !strncmp(line, "mitosis+rdma://", 15)) && strlen(line) < MITOSIS_REF_MAX) {
			strcpy(ref, line);
			return 0;
		}
	}
	tool_error("standard input", "ended without a reference");
	return -EINVAL;
}

static int status_of(int err)
{
	switch (err) {
	case -EINVAL:
		return STATUS_USAGE;
	default:
		return STATUS_CANNOT_RUN;
	}
}

int main(int argc, char **argv)
{
	static const struct tool_info info = {
		.synopsis = "[OPTION...] REFERENCE|-",
		.summary = "Become a child of the snapshot that REFERENCE names: go on where its parent stood at\n"
			   "prepare, with memory that arrives on demand. With -, the first line of standard input\n"
			   "that is a reference counts, and the child reads /dev/null.",
		.examples = "  mitosis-child mitosis://127.0.0.1:40123/6f1c...\n"
			    "  mitosis-parent | ssh node2 mitosis-child -\n",
		.exit_status = "  the child's own; 125 it could not be resumed, or its memory was lost\n",
	};
	struct mitosis_resume_args args = MITOSIS_RESUME_ARGS_INIT;
	char *mode = NULL, *window = NULL, *share = NULL, *timeout = NULL, *record = NULL, *replay = NULL, *notify = NULL, ref[MITOSIS_REF_MAX];
	char *engine = NULL;
	int strict = 0, no_push = 0, private = 0, spin = 0, quiet = 0, verbose = 0, opt, err;
	struct library_voice voice;
	uint64_t value;
	const char *given;
	struct poptOption options[] = {
		{ "engine", 'e', POPT_ARG_STRING, &engine, 0,
		  "user (TCP and a pager) or kernel (RDMA and the kernel module); default: as the reference says",
		  "ENGINE" },
		{ "private", '\0', POPT_ARG_NONE, &private, 0,
		  "engine kernel: share no page with other children of the snapshot on this host", NULL },
		{ "poll", '\0', POPT_ARG_NONE, &spin, 0,
		  "engine kernel: a faulting thread spins instead of sleeping", NULL },
		{ "mode", 'm', POPT_ARG_STRING, &mode, 0,
		  "fetch pages on 'demand' or all before the start ('eager'); 'auto', the default: demand where this host allows it",
		  "MODE" },
		{ "window", 'w', POPT_ARG_STRING, &window, 0, "pages fetched per fault, 0 to 1024; 0 and 1: that one alone (default 32)", "PAGES" },
		{ "push", '\0', POPT_ARG_STRING, &share, 0,
		  "share of the memory that the background fetches (default 100)", "PERCENT" },
		{ "no-push", '\0', POPT_ARG_NONE, &no_push, 0, "fetch on faults only", NULL },
		{ "timeout", 't', POPT_ARG_STRING, &timeout, 0,
		  "longest silence of the parent's host (default 5s)", "TIME" },
		{ "record", '\0', POPT_ARG_STRING, &record, 0,
		  "write the pages that the child fetches, in order of touch, to FILE; window 1, no push", "FILE" },
		{ "replay", '\0', POPT_ARG_STRING, &replay, 0, "fetch the pages in FILE first", "FILE" },
		{ "address", '\0', POPT_ARG_STRING, &args.addresses, 0,
		  "where the reference's host is, instead of what its name stands for", "ADDRESS[,ADDRESS...]" },
		{ "notify", '\0', POPT_ARG_STRING, &notify, 0,
		  "when the child runs, write CLOCK_MONOTONIC in ns, 8 bytes, to this open descriptor", "FD" },
		{ "strict", '\0', POPT_ARG_NONE, &strict, 0,
		  "refuse rather than close a descriptor that cannot be had here", NULL },
		{ "quiet", 'q', POPT_ARG_NONE, &quiet, 0, "no warnings", NULL },
		{ "verbose", 'v', POPT_ARG_NONE, &verbose, 0, "say more on standard error", NULL },
		TOOL_COMMON_OPTIONS,
		POPT_TABLEEND
	};
	poptContext con;

	tool_init_plain("mitosis-child");
	con = tool_context(argc, argv, options, POPT_CONTEXT_POSIXMEHARDER, &info);
	opt = tool_next(con);
	if (opt != TOOL_END)
		goto usage;
	if (mode && !strcmp(mode, "eager"))
		args.mode = MITOSIS_MODE_EAGER;
	else if (mode && !strcmp(mode, "demand"))
		args.mode = MITOSIS_MODE_DEMAND;
	else if (mode && strcmp(mode, "auto")) {
		tool_usage_error("--mode", "%s: neither auto, demand nor eager", mode);
		goto usage;
	}
	if (window) {
		if (tool_arg_uint("--window", window, 0, 1024, &value))
			goto usage;
		args.window = value ? (uint32_t)value : 1;	/* 0 is the library's default */
	}
	if (share) {
		share[strcspn(share, "%")] = '\0';
		if (tool_arg_uint("--push", share, 0, 100, &value))
			goto usage;
		if (no_push) {
			tool_usage_error("--push", "contradicts --no-push");
			goto usage;
		}
		args.push_percent = (uint32_t)value;
		no_push |= !value;
	}
	if (timeout) {
		if (tool_arg_duration("--timeout", timeout, &value))
			goto usage;
		if (value < 1000000 || value > 3600ULL * 1000000000) {
			tool_usage_error("--timeout", "%s: must be between 1ms and 1h", timeout);
			goto usage;
		}
		args.timeout_ms = (uint32_t)(value / 1000000);
	}
	if (notify) {
		int flags;

		if (tool_arg_uint("--notify", notify, 3, 1023, &value))
			goto usage;
		flags = fcntl((int)value, F_GETFL);
		if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY) {
			tool_usage_error("--notify", "%s: %s", notify, flags < 0 ? strerror(errno) : "not open for writing");
			goto usage;
		}
		args.notify_fd = (uint32_t)value;
	}
	if (record && (replay || (mode && !strcmp(mode, "eager")))) {
		tool_usage_error("--record", "not together with %s", replay ? "--replay" : "--mode eager");
		goto usage;
	}
	if (engine && strcmp(engine, "user") && strcmp(engine, "kernel")) {
		tool_usage_error("--engine", "%s: neither user nor kernel", engine);
		goto usage;
	}
	args.engine = engine;
	if (private)
		args.flags |= MITOSIS_RESUME_PRIVATE;
	if (spin)
		args.flags |= MITOSIS_RESUME_POLL;
	args.record = record;
	args.replay = replay;
	if (strict)
		args.flags |= MITOSIS_RESUME_STRICT;
	if (no_push)
		args.flags |= MITOSIS_RESUME_NO_PUSH;
	given = poptGetArg(con);
	if (!given || poptPeekArg(con)) {
		tool_usage_error(NULL, given ? "only one reference is expected" : "no reference given");
		goto usage;
	}
	voice = (struct library_voice){ .quiet = quiet, .verbose = verbose };
	mitosis_set_logger(library_log, &voice);
	if (!strcmp(given, "-")) {
		args.flags |= MITOSIS_RESUME_DISCARD_STDIN;
		if (read_reference(ref)) {
			poptFreeContext(con);
			return STATUS_CANNOT_RUN;
		}
	} else {
		if (strlen(given) >= sizeof(ref)) {
			tool_usage_error(NULL, "the reference is too long");
			goto usage;
		}
		strcpy(ref, given);
		/* The UUID is the only key to the snapshot: nobody shall read it in ps. */
		for (int i = 1; i < argc; i++)
			if (!strcmp(argv[i], ref) && strrchr(argv[i], '/'))
				memset(strrchr(argv[i], '/') + 1, '*', strlen(strrchr(argv[i], '/') + 1));
	}
	poptFreeContext(con);
	err = mitosis_resume(ref, &args);
	library_failed("resume", err);
	return status_of(err);
usage:
	poptFreeContext(con);
	return opt == TOOL_END || opt == TOOL_BAD_OPTION ? STATUS_USAGE : STATUS_OK;
}
