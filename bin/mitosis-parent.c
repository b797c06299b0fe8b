// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * mitosis-parent - the common parent: a counter that prepares itself, or a program made a parent.
 *
 * As a counter it prints "tick N" and, once prepared, its reference; a child goes on counting from
 * there. With --on, any dynamically linked program runs with a small preloaded object that prepares
 * it when the signal comes (preload.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "library.h"
#include "measure/listen.h"
#include "mitosis.h"
#include "options.h"
#include "preload.h"
#include "tool.h"
#include "wss.h"

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

/* To a file, or to standard output: 0 or an errno. */
static int write_reference(const char *file, const char *ref)
{
	int fd = file ? open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : 1, err = 0;

	if (fd < 0 || dprintf(fd, "%s\n", ref) < 0)
		err = errno;
	if (file && fd >= 0 && close(fd) && !err)
		err = errno;
	return err;
}

/* A snapshot whose reference is lost can neither be used nor ended by anybody: it goes. */
static int hand_over(const char *file, const char *ref)
{
	/* A reader that has gone is to end us only when that is done. */
	void (*before)(int) = signal(SIGPIPE, SIG_IGN);
	int err = write_reference(file, ref), release_err;

	signal(SIGPIPE, before);
	if (!err)
		return 0;
	release_err = mitosis_release(ref);
	if (release_err)
		library_failed("release", release_err);
	if (file)
		tool_error(file, "%s%s", strerror(err),
			   release_err ? "" : "; the snapshot is released");
	else
		tool_note_write_error(err);	/* said at the end, unless the reader has gone */
	return -1;
}

/* Can snapshots be taken with it? NULL: with whichever there is. */
static bool has_engine(const char *name)
{
	int err = name ? mitosis_engine_check(name) : 0;

	if (err)
		library_failed("--engine", err);
	return !err;
}

/*
 * A reference is a key: a file that is there already is for its owner alone from now on, as a new
 * one is.
 */
static int make_private(const char *file)
{
	struct stat st;

	if (stat(file, &st) || !S_ISREG(st.st_mode) || !(st.st_mode & 077) ||
	    !chmod(file, st.st_mode & 0700))
		return 0;
	tool_error(file, "others can read it, and %s", strerror(errno));
	return -1;
}

struct counter {
	uint64_t interval_ns, after, count, wss;
	const char *reference;
	struct mitosis_prepare_args *prepare;
};

static int run_counter(const struct counter *c)
{
	struct timespec next;
	struct wss w = { 0 };
	uint64_t now;

	/* A missing engine is told at once, not at the tick that needs it. */
	if (c->after && !has_engine(c->prepare->engine))
		return STATUS_SKIP;
	if (c->reference && make_private(c->reference))
		return STATUS_FAILED;
	if (c->wss && wss_make(&w, c->wss, false)) {
		tool_error("--wss", "%s", strerror(errno));
		return STATUS_FAILED;
	}
	clock_gettime(CLOCK_MONOTONIC, &next);
	now = (uint64_t)next.tv_sec * 1000000000U + (uint64_t)next.tv_nsec;
	for (uint64_t n = 1; !c->count || n <= c->count; n++) {
		if (printf("tick %llu\n", (unsigned long long)n) < 0 || fflush(stdout)) {
			tool_note_write_error(errno);
			return STATUS_FAILED;
		}
		if (n == c->after) {
			char ref[MITOSIS_REF_MAX];
			int err = mitosis_prepare(c->prepare, ref);

			if (err < 0) {
				library_failed("prepare", err);
				return STATUS_FAILED;
			}
			if (err == 1) {
				/* In a child: it has its own clock to follow. */
				clock_gettime(CLOCK_MONOTONIC, &next);
				now = (uint64_t)next.tv_sec * 1000000000U + (uint64_t)next.tv_nsec;
			} else if (hand_over(c->reference, ref)) {
				return STATUS_FAILED;
			}
		}
		if (c->wss && wss_check(&w, n)) {
			tool_error("working set", "wrong byte at %p", wss_check(&w, n));
			return STATUS_FAILED;
		}
		if (n == c->count)
			break;
		now += c->interval_ns;
		next.tv_sec = (time_t)(now / 1000000000U);
		next.tv_nsec = (long)(now % 1000000000U);
		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL) == EINTR)
			;
	}
	return STATUS_OK;
}

/* MITOSIS_PRELOAD, else that of the build tree we run from, else the installed one. */
static int preload_path(char path[PATH_MAX])
{
	const char *given = getenv("MITOSIS_PRELOAD");
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 64);
	char *built;

	path[n > 0 ? n : 0] = '\0';
	built = strstr(path, "/bin/.libs/");
	if (given)
		snprintf(path, PATH_MAX, "%s", given);
	else if (built)
		strcpy(built, "/.libs/" PRELOAD_NAME);
	else
		strcpy(path, PKGLIBDIR "/" PRELOAD_NAME);
	if (!access(path, R_OK))
		return 0;
	tool_error(path, "%s", strerror(errno));
	return -1;
}

static int run_program(char **command, const char *on, const char *reference,
		       const struct mitosis_prepare_args *prepare)
{
	char path[PATH_MAX], text[32];
	const char *others = getenv("LD_PRELOAD");

	if (on) {
		int signo = parse_signal(on);
		char *list;

		if (signo < 0 || signo == SIGKILL || signo == SIGSTOP)
			return tool_usage_error("--on", "%s: not a signal that can be caught", on);
		if (!has_engine(prepare->engine))
			return STATUS_CANNOT_RUN;
		if ((reference && make_private(reference)) || preload_path(path))
			return STATUS_CANNOT_RUN;
		if (asprintf(&list, "%s%s%s", path, others ? ":" : "", others ? others : "") < 0)
			return STATUS_CANNOT_RUN;
		snprintf(text, sizeof(text), "%d", signo);
		setenv("LD_PRELOAD", list, 1);
		setenv(PRELOAD_SIGNAL, text, 1);
		snprintf(text, sizeof(text), "%d", getpid());
		setenv(PRELOAD_PID, text, 1);
		if (reference)
			setenv(PRELOAD_REFERENCE, reference, 1);
		if (prepare->listen)
			setenv(PRELOAD_LISTEN, prepare->listen, 1);
		if (prepare->engine)
			setenv(PRELOAD_ENGINE, prepare->engine, 1);
		if (prepare->label)
			setenv(PRELOAD_LABEL, prepare->label, 1);
		if (prepare->lifetime_s) {
			snprintf(text, sizeof(text), "%llu",
				 (unsigned long long)prepare->lifetime_s);
			setenv(PRELOAD_LIFETIME, text, 1);
		}
		free(list);
	}
	execvp(command[0], command);
	tool_error(command[0], "%s", strerror(errno));
	return errno == ENOENT ? STATUS_NOT_FOUND : STATUS_CANNOT_EXEC;
}

/* ---- options ---- */

enum {
	COMMAND	   = 1 << 0,
	UNPREPARED = 1 << 1,
};
static const char *const circumstances[] = {
	"a command", "a command without --on, which is not prepared",
};

static struct {
	char *interval, *after, *count, *wss, *on, *reference, *engine, *listen, *label, *lifetime;
} o;

static const struct tool_option options[] = {
	{ { "interval", 'i', POPT_ARG_STRING, &o.interval, 0,
	    "time between ticks (default 1s)", "TIME" },
	  .without = COMMAND },
	{ { "after", 'a', POPT_ARG_STRING, &o.after, 0,
	    "prepare after this many ticks (default 3; 0: never)", "N" },
	  .without = COMMAND },
	{ { "count", 'n', POPT_ARG_STRING, &o.count, 0,
	    "end after this many ticks (default: never)", "N" },
	  .without = COMMAND },
	{ { "wss", 's', POPT_ARG_STRING, &o.wss, 0,
	    "carry a working set of this size and check it at each tick", "SIZE" },
	  .without = COMMAND },
	{ { "on", '\0', POPT_ARG_STRING, &o.on, 0,
	    "prepare the command when it gets this signal", "SIGNAL" },
	  .with = COMMAND },
	{ { "reference", 'r', POPT_ARG_STRING, &o.reference, 0,
	    "append the reference to FILE instead of printing it", "FILE" },
	  .without = UNPREPARED },
	{ { "engine", 'e', POPT_ARG_STRING, &o.engine, 0,
	    "user or kernel (RDMA and the kernel module); default: kernel where it can serve, else "
	    "user", "ENGINE" },
	  .without = UNPREPARED },
	{ { "listen", 'l', POPT_ARG_STRING, &o.listen, 0,
	    "address and port to serve children at (default: loopback)", "ADDRESS[:PORT]" },
	  .without = UNPREPARED },
	{ { "label", '\0', POPT_ARG_STRING, &o.label, 0,
	    "name shown by mitosis-ls", "TEXT" },
	  .without = UNPREPARED },
	{ { "lifetime", '\0', POPT_ARG_STRING, &o.lifetime, 0,
	    "keep the snapshot this long, in whole seconds, also without the parent (default: as "
	    "long as the parent lives)", "TIME" },
	  .without = UNPREPARED },
	TOOL_OPTIONS_END
};

static int parse(struct counter *counter, bool command)
{
	struct mitosis_prepare_args *prepare = counter->prepare;
	unsigned int in_force = 0;
	uint64_t lifetime = 0;
	int status;

	if ((o.interval && tool_arg_duration("--interval", o.interval, &counter->interval_ns)) ||
	    (o.after && tool_arg_uint("--after", o.after, 0, UINT64_MAX, &counter->after)) ||
	    (o.count && tool_arg_uint("--count", o.count, 1, UINT64_MAX, &counter->count)) ||
	    (o.wss && tool_arg_size("--wss", o.wss, &counter->wss)) ||
	    (o.lifetime && tool_arg_duration("--lifetime", o.lifetime, &lifetime)))
		return STATUS_USAGE;
	if (o.engine && strcmp(o.engine, "user") && strcmp(o.engine, "kernel"))
		return tool_usage_error("--engine", "%s: neither user nor kernel", o.engine);
	if (o.label && strlen(o.label) >= MITOSIS_LABEL_MAX)
		return tool_usage_error("--label", "longer than %d bytes", MITOSIS_LABEL_MAX - 1);
	if (command)
		in_force = o.on ? COMMAND : COMMAND | UNPREPARED;
	if (tool_options_check(options, circumstances, in_force))
		return STATUS_USAGE;
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
		.synopsis = "[OPTION...] [-- COMMAND [ARGUMENT...]]",
		.summary = "Without a command: count, printing \"tick N\", "
			   "and prepare after --after ticks: the line\n"
			   "mitosis://... is the reference of the snapshot. With a command: run "
			   "it, and with --on\n"
			   "prepare it each time it gets the signal.",
		.examples = "  mitosis-parent\n"
			    "  mitosis-parent --wss 64M --listen 0.0.0.0 | ssh node2 mitosis-child "
			    "-\n"
			    "  mitosis-parent --on USR1 -- python3 service.py\n",
		.exit_status = "  0; 1 failed; 2 wrong usage; 77 the engine asked for cannot run "
			       "here; with a command its own,\n"
			       "  125 to 127 if it could not run\n",
	};
	struct mitosis_prepare_args prepare = MITOSIS_PREPARE_ARGS_INIT;
	struct counter counter = { .interval_ns = 1000000000, .after = 3, .prepare = &prepare };
	int status = STATUS_USAGE;
	const char **command;
	poptContext con;

	tool_init("mitosis-parent");
	con = tool_options_context(argc, argv, options, POPT_CONTEXT_POSIXMEHARDER, &info);
	if (tool_next(con) == TOOL_END) {
		command = poptGetArgs(con);
		status = parse(&counter, command);
		mitosis_set_logger(library_log, NULL);
		if (!status && command)
			status = run_program((char **)command, o.on, o.reference, &prepare);
		else if (!status)
			status = run_counter(&counter);
	}
	poptFreeContext(con);
	return status;
}
