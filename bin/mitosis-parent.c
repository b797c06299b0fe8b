// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * mitosis-parent - makes parents: a counter that prepares itself, a command that is prepared
 * when the occasion comes, or a process that runs (bin/parent/).
 */
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "library.h"
#include "measure/listen.h"
#include "mitosis.h"
#include "options.h"
#include "parent/parent.h"
#include "tool.h"

/* "USR1", "SIGUSR1" or a number */
static int parse_signal(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (*text && !*end)
		return n > 0 && n < NSIG ? (int)n : -1;
	if (!strncmp(text, "SIG", 3))
		text += 3;
	for (int i = 1; i < NSIG; i++)
		if (sigabbrev_np(i) && !strcmp(sigabbrev_np(i), text))
			return i;
	return -1;
}

/* ---- options ---- */

enum {
	COMMAND = 1 << 0,
	PROCESS = 1 << 1,
};
static const char *const circumstances[] = { "a command", "--pid" };

static struct {
	char *interval, *after, *count, *wss, *pid, *on, *port;
	char *reference, *engine, *listen, *label, *lifetime, *copy;
} o;

static const struct tool_option options[] = {
	{ { "interval", 'i', POPT_ARG_STRING, &o.interval, 0,
	    "time between ticks (default 1s)", "TIME" },
	  .without = COMMAND | PROCESS },
	{ { "after", 'a', POPT_ARG_STRING, &o.after, 0,
	    "prepare after this many ticks (default 3; 0: never); a command: so long after its "
	    "start",
	    "N|TIME" },
	  .without = PROCESS },
	{ { "count", 'n', POPT_ARG_STRING, &o.count, 0,
	    "end after this many ticks (default: never)", "N" },
	  .without = COMMAND | PROCESS },
	{ { "wss", 's', POPT_ARG_STRING, &o.wss, 0,
	    "carry a working set of this size and check it at each tick", "SIZE" },
	  .without = COMMAND | PROCESS },
	{ { "on", '\0', POPT_ARG_STRING, &o.on, 0,
	    "prepare the command each time mitosis-parent gets this signal (default USR1)",
	    "SIGNAL" },
	  .with = COMMAND },
	{ { "when-listening", '\0', POPT_ARG_STRING, &o.port, 0,
	    "prepare the command once it listens at this TCP port", "PORT" },
	  .with = COMMAND },
	{ { "pid", 'p', POPT_ARG_STRING, &o.pid, 0,
	    "prepare this process, which runs on", "PID" },
	  .without = COMMAND },
	{ { "reference", 'r', POPT_ARG_STRING, &o.reference, 0,
	    "append the reference to FILE instead of printing it", "FILE" }, .with = 0 },
	{ { "engine", 'e', POPT_ARG_STRING, &o.engine, 0,
	    "user or kernel (RDMA and the kernel module); default: kernel where it can serve, else "
	    "user", "ENGINE" }, .with = 0 },
	{ { "listen", 'l', POPT_ARG_STRING, &o.listen, 0,
	    "address and port to serve children at (default: loopback)", "ADDRESS[:PORT]" },
	  .with = 0 },
	{ { "label", '\0', POPT_ARG_STRING, &o.label, 0,
	    "name shown by mitosis-ls", "TEXT" }, .with = 0 },
	{ { "lifetime", '\0', POPT_ARG_STRING, &o.lifetime, 0,
	    "keep the snapshot this long, in whole seconds, also without the parent (default: as "
	    "long as the parent lives)", "TIME" }, .with = 0 },
	{ { "copy", '\0', POPT_ARG_STRING, &o.copy, 0,
	    "copy up to so much shared memory, and of deleted files a 16th of it, while the "
	    "parent stands still (default 256M)", "SIZE" }, .with = 0 },
	TOOL_OPTIONS_END
};

static int parse(struct counter *counter, struct occasion *when, uint64_t *pid, bool command)
{
	struct mitosis_prepare_args *prepare = counter->prepare;
	uint64_t lifetime = 0;
	int status;

	if ((o.interval && tool_arg_duration("--interval", o.interval, &counter->interval_ns)) ||
	    (o.after && !command &&
	     tool_arg_uint("--after", o.after, 0, UINT64_MAX, &counter->after)) ||
	    (o.after && command && tool_arg_duration("--after", o.after, &when->after_ns)) ||
	    (o.count && tool_arg_uint("--count", o.count, 1, UINT64_MAX, &counter->count)) ||
	    (o.wss && tool_arg_size("--wss", o.wss, &counter->wss)) ||
	    (o.pid && tool_arg_uint("--pid", o.pid, 1, INT_MAX, pid)) ||
	    (o.port && tool_arg_uint("--when-listening", o.port, 1, 65535, &when->port)) ||
	    (o.copy && tool_arg_size("--copy", o.copy, &prepare->copy_bytes)) ||
	    (o.lifetime && tool_arg_duration("--lifetime", o.lifetime, &lifetime)))
		return STATUS_USAGE;
	/* Nothing: 0 is what the library has where nothing is said. */
	if (o.copy && !prepare->copy_bytes)
		prepare->copy_bytes = 1;
	if (o.engine && strcmp(o.engine, "user") && strcmp(o.engine, "kernel"))
		return tool_usage_error("--engine", "%s: neither user nor kernel", o.engine);
	if (o.label && strlen(o.label) >= MITOSIS_LABEL_MAX)
		return tool_usage_error("--label", "longer than %d bytes", MITOSIS_LABEL_MAX - 1);
	if (tool_options_check(options, circumstances,
			       (command ? COMMAND : 0) | (o.pid ? PROCESS : 0)))
		return STATUS_USAGE;
	if (when->after_ns && when->port)
		return tool_usage_error("--when-listening", "not together with --after");
	/* Where nothing is said. */
	if (!o.on && !o.after && !o.port)
		when->signo = SIGUSR1;
	if (o.on) {
		when->signo = parse_signal(o.on);
		if (when->signo < 0 || when->signo == SIGKILL || when->signo == SIGSTOP)
			return tool_usage_error("--on", "%s: not a signal that can be caught",
						o.on);
	}
	status = listen_check(o.listen);
	if (status)
		return status == STATUS_FAILED && command ? STATUS_CANNOT_RUN : status;
	prepare->lifetime_s = (lifetime + 999999999) / 1000000000;
	prepare->engine = o.engine;
	prepare->label = o.label;
	prepare->listen = o.listen;
	counter->reference = o.reference;
	return 0;
}

int main(int argc, char **argv)
{
	static const struct tool_info info = {
		.synopsis = "[OPTION...] [--pid PID | -- COMMAND [ARGUMENT...]]",
		.summary = "Prepares a process: takes a snapshot of it, whose reference, "
			   "mitosis://..., is printed.\n"
			   "With --pid one that runs, whatever program it is, which runs on. With "
			   "a command that:\n"
			   "run it, and prepare it each time mitosis-parent gets SIGUSR1, or when "
			   "--on, --after\n"
			   "or --when-listening say. Without either itself: it counts, printing "
			   "\"tick N\".",
		.examples = "  mitosis-parent --pid 4711\n"
			    "  mitosis-parent --when-listening 8080 -- java -jar service.jar\n"
			    "  mitosis-parent --wss 64M --listen 0.0.0.0 | ssh node2 mitosis-child "
			    "-\n",
		.exit_status = "  0; 1 failed; 2 wrong usage; 77 the engine asked for cannot run "
			       "here; with a command its own,\n"
			       "  125 to 127 if it could not run\n",
	};
	struct mitosis_prepare_args prepare = MITOSIS_PREPARE_ARGS_INIT;
	struct counter counter = { .interval_ns = 1000000000, .after = 3, .prepare = &prepare };
	struct occasion when = { 0 };
	int status = STATUS_USAGE;
	const char **command;
	uint64_t pid = 0;
	poptContext con;

	tool_init("mitosis-parent");
	con = tool_options_context(argc, argv, options, POPT_CONTEXT_POSIXMEHARDER, &info);
	if (tool_next(con) == TOOL_END) {
		command = poptGetArgs(con);
		status = parse(&counter, &when, &pid, command);
		mitosis_set_logger(library_log, NULL);
		if (!status && command)
			status = run_command((char **)command, &when, o.reference, &prepare);
		else if (!status && pid)
			status = prepare_process((int)pid, o.reference, &prepare);
		else if (!status)
			status = run_counter(&counter);
	}
	poptFreeContext(con);
	return status;
}
