// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mitosis-resume - measures how fast children start.
 *
 * For each working set a parent process is made and prepared; then children of its snapshot are
 * started, one after the other or several at a time. A child's first instruction after prepare
 * reads the clock, which this host shares with it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "children.h"
#include "clock.h"
#include "mitosis.h"
#include "progress.h"
#include "tool.h"
#include "units.h"
#include "wss.h"

enum { C_ENGINE, C_WSS, C_MODE, C_PARALLEL, C_ITER, C_RESUME, C_LIFE };
static const struct record_column columns[] = {
	[C_ENGINE]   = { "engine", RECORD_STRING, "user: a child of a snapshot; local: a forked child; exec: fork, exec and exit of /bin/true" },
	[C_WSS]      = { "wss", RECORD_SIZE, "working set of the parent, bytes" },
	[C_MODE]     = { "mode", RECORD_STRING, "demand or eager" },
	[C_PARALLEL] = { "parallel", RECORD_UINT, "children started at a time" },
	[C_ITER]     = { "iter", RECORD_UINT, "number of the child, from 0" },
	[C_RESUME]   = { "resume_ns", RECORD_NS, "before exec of the child tool to the first instruction after prepare" },
	[C_LIFE]     = { "life_ns", RECORD_NS, "before exec to the end of the child, reaped" },
};

struct plan {
	uint64_t *wss, *parallel;
	size_t wss_count, parallel_count;
	uint64_t count, warmup;
	bool user, local, exec, demand, eager;
	char *const *child_options;
	struct record_stream *out;
	uint64_t done, total;
};

static void print_log(enum mitosis_log_level level, const char *text, void *data)
{
	if (level <= MITOSIS_LOG_WARNING)
		tool_error(NULL, "%s", text);
}

/* The parent's life, and a child's: it begins where mitosis_prepare() returns 1. */
static void live(uint64_t bytes, int report, int until)
{
	char ref[MITOSIS_REF_MAX] = "";
	struct wss w;
	uint64_t now;
	char c;
	int ret;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (bytes && wss_make(&w, bytes, false)) {
		tool_error("working set", "%s", strerror(errno));
		_exit(STATUS_FAILED);
	}
	ret = mitosis_prepare(NULL, ref);
	now = clock_now_ns();
	if (ret == 1) {
		write_exactly(1, &now, sizeof(now));
		_exit(0);
	}
	if (ret < 0) {
		tool_error("prepare", "%s", strerror(-ret));
		_exit(STATUS_FAILED);
	}
	write_exactly(report, ref, sizeof(ref));
	/* The other end closes when the measurement is over. */
	(void)!read(until, &c, 1);
	_exit(0);
}

struct parent {
	pid_t pid;
	int until;
	char ref[MITOSIS_REF_MAX];
};

static int parent_start(struct parent *p, uint64_t bytes)
{
	int report[2], until[2];

	if (pipe2(report, O_CLOEXEC) || pipe2(until, O_CLOEXEC))
		return -1;
	fflush(NULL);
	p->pid = fork();
	if (!p->pid) {
		close(report[0]);
		close(until[1]);
		live(bytes, report[1], until[0]);
	}
	close(report[1]);
	close(until[0]);
	p->until = until[1];
	if (p->pid < 0 || read_exactly(report[0], p->ref, sizeof(p->ref))) {
		close(report[0]);
		close(until[1]);
		if (p->pid > 0)
			waitpid(p->pid, NULL, 0);
		return -1;
	}
	close(report[0]);
	return 0;
}

static void parent_end(struct parent *p)
{
	close(p->until);
	waitpid(p->pid, NULL, 0);
}

struct sample {
	uint64_t resume_ns, life_ns;
};

static void emit(struct plan *p, const char *engine, uint64_t wss, const char *mode, uint64_t parallel,
		 uint64_t iter, const struct sample *s)
{
	if (iter >= p->warmup) {
		record_begin(p->out);
		record_string(p->out, C_ENGINE, engine);
		record_uint(p->out, C_WSS, wss);
		record_string(p->out, C_MODE, mode);
		record_uint(p->out, C_PARALLEL, parallel);
		record_uint(p->out, C_ITER, iter - p->warmup);
		if (s->resume_ns)
			record_uint(p->out, C_RESUME, s->resume_ns);
		record_uint(p->out, C_LIFE, s->life_ns);
		record_end(p->out);
	}
	progress_update(++p->done);
}

/* Children of one snapshot, `parallel` at a time. */
static int run_user(struct plan *p, uint64_t wss, const char *mode, uint64_t parallel)
{
	struct child *running = calloc(parallel, sizeof(*running));
	struct pollfd *fds = calloc(parallel, sizeof(*fds));
	const char *path = sibling_path("mitosis-child");
	uint64_t started = 0, total = p->count + p->warmup, finished = 0;
	char *argv[16] = { (char *)path, (char *)"--quiet", (char *)"--mode", (char *)mode };
	struct parent parent;
	int argc = 4, status = 0;

	for (char *const *o = p->child_options; *o && argc < 13; o++)
		argv[argc++] = *o;
	if (!running || !fds || parent_start(&parent, wss)) {
		free(running);
		free(fds);
		return -1;
	}
	argv[argc] = parent.ref;
	for (uint64_t i = 0; i < parallel; i++)
		fds[i].fd = -1;
	while (finished < total && !status) {
		for (uint64_t i = 0; i < parallel && started < total; i++) {
			if (fds[i].fd >= 0)
				continue;
			if (child_start(&running[i], argv)) {
				tool_error(path, "%s", strerror(errno));
				status = -1;
				break;
			}
			fds[i] = (struct pollfd){ .fd = running[i].out, .events = POLLIN };
			started++;
		}
		if (status || poll(fds, parallel, -1) < 0)
			continue;
		for (uint64_t i = 0; i < parallel && !status; i++) {
			struct sample s;
			uint64_t first;
			int ended;

			if (fds[i].fd < 0 || !fds[i].revents)
				continue;
			status = child_read(&running[i], &first, sizeof(first));
			ended = child_finish(&running[i]);
			fds[i].fd = -1;
			if (status || ended) {
				tool_error(path, "child ended with status %d", ended);
				status = -1;
				break;
			}
			s.resume_ns = first - running[i].started_ns;
			s.life_ns = clock_now_ns() - running[i].started_ns;
			emit(p, "user", wss, mode, parallel, finished++, &s);
			status = record_error(p->out);
		}
	}
	for (uint64_t i = 0; i < parallel; i++) {
		if (fds[i].fd < 0)
			continue;
		kill(running[i].pid, SIGKILL);
		child_finish(&running[i]);
	}
	parent_end(&parent);
	free(running);
	free(fds);
	return status;
}

/* The floor: a forked child of a process with the same working set. */
static int run_local(struct plan *p, uint64_t bytes)
{
	struct wss w = { 0 };

	if (bytes && wss_make(&w, bytes, false)) {
		tool_error("working set", "%s", strerror(errno));
		return -1;
	}
	for (uint64_t i = 0; i < p->count + p->warmup; i++) {
		uint64_t start, first;
		struct sample s;
		int pipes[2];
		pid_t pid;

		if (pipe2(pipes, O_CLOEXEC))
			return -1;
		fflush(NULL);
		start = clock_now_ns();
		pid = fork();
		if (!pid) {
			first = clock_now_ns();
			write_exactly(pipes[1], &first, sizeof(first));
			_exit(0);
		}
		close(pipes[1]);
		if (pid < 0 || read_exactly(pipes[0], &first, sizeof(first))) {
			tool_error("fork", "%s", strerror(errno));
			close(pipes[0]);
			return -1;
		}
		close(pipes[0]);
		waitpid(pid, NULL, 0);
		s = (struct sample){ first - start, clock_now_ns() - start };
		emit(p, "local", bytes, "fork", 1, i, &s);
	}
	wss_free(&w);
	return 0;
}

/* What starting any program costs here. */
static int run_exec(struct plan *p)
{
	char *argv[] = { (char *)"/bin/true", NULL };

	for (uint64_t i = 0; i < p->count + p->warmup; i++) {
		uint64_t start = clock_now_ns();
		struct sample s = { 0 };
		pid_t pid = fork();
		int status;

		if (!pid) {
			execv(argv[0], argv);
			_exit(127);
		}
		if (pid < 0 || waitpid(pid, &status, 0) < 0 || status) {
			tool_error("/bin/true", "could not be run");
			return -1;
		}
		s.life_ns = clock_now_ns() - start;
		emit(p, "exec", 0, "exec", 1, i, &s);
	}
	return 0;
}

static int run(struct plan *p)
{
	int status = 0;

	p->total = (p->count + p->warmup) *
		((p->user ? p->wss_count * p->parallel_count * ((p->demand ? 1 : 0) + (p->eager ? 1 : 0)) : 0) +
		 (p->local ? p->wss_count : 0) + (p->exec ? 1 : 0));
	progress_start("resume", p->total);
	if (p->exec)
		status = run_exec(p);
	for (size_t w = 0; w < p->wss_count && !status; w++) {
		if (p->local)
			status = run_local(p, p->wss[w]);
		for (size_t k = 0; k < p->parallel_count && p->user && !status; k++) {
			if (p->demand)
				status = run_user(p, p->wss[w], "demand", p->parallel[k]);
			if (p->eager && !status)
				status = run_user(p, p->wss[w], "eager", p->parallel[k]);
		}
	}
	progress_finish();
	return status;
}

int main(int argc, char **argv)
{
	static const struct tool_info info = {
		.synopsis = "[OPTION...]",
		.summary = "Measure how fast children of a snapshot start. One record per child.",
		.columns = columns, .ncolumns = sizeof(columns) / sizeof(columns[0]),
		.examples = "  mitosis-resume --wss 1M..1G --count 20 | mitosis-stats\n"
			    "  mitosis-resume --engine exec,user --parallel 1,4 --count 50 | mitosis-stats --baseline engine=exec --columns life_ns\n",
		.exit_status = "  0; 1 failed; 2 wrong usage\n",
	};
	static const char *const engine_names[] = { "user", "local", "exec", NULL };
	static const char *const mode_names[] = { "demand", "eager", NULL };
	struct plan p = { .count = 10, .warmup = 1 };
	bool *const engine_flags[] = { &p.user, &p.local, &p.exec };
	bool *const mode_flags[] = { &p.demand, &p.eager };
	char *wss = NULL, *count = NULL, *parallel = NULL, *mode = NULL, *engine = NULL, *warmup = NULL;
	char *window = NULL;
	int no_push = 0, json = 0, opt, status = STATUS_USAGE;
	char *child_options[8] = { NULL };
	size_t n = 0;
	struct poptOption options[] = {
		{ "wss", 's', POPT_ARG_STRING, &wss, 0, "working sets: list and doubling ranges (default 64M)", "SIZE[,SIZE...]" },
		{ "count", 'n', POPT_ARG_STRING, &count, 0, "children per combination (default 10)", "N" },
		{ "warmup", '\0', POPT_ARG_STRING, &warmup, 0, "children before them that are not recorded (default 1)", "N" },
		{ "parallel", 'p', POPT_ARG_STRING, &parallel, 0, "children at a time (default 1)", "N[,N...]" },
		{ "mode", 'm', POPT_ARG_STRING, &mode, 0, "demand, eager, or both (default demand)", "MODE[,MODE]" },
		{ "engine", 'e', POPT_ARG_STRING, &engine, 0,
		  "user; local: fork(2), the floor; exec: fork, exec and exit of /bin/true (default user)", "ENGINE[,ENGINE...]" },
		{ "window", 'w', POPT_ARG_STRING, &window, 0, "pages fetched per fault (default 32)", "PAGES" },
		{ "no-push", '\0', POPT_ARG_NONE, &no_push, 0, "no background fetching", NULL },
		{ "json", 'j', POPT_ARG_NONE, &json, 0, "write JSON Lines", NULL },
		TOOL_COMMON_OPTIONS,
		POPT_TABLEEND
	};
	poptContext con;

	tool_init("mitosis-resume");
	con = tool_context(argc, argv, options, 0, &info);
	opt = tool_next(con);
	if (opt != TOOL_END)
		goto out;
	if (poptPeekArg(con)) {
		tool_usage_error(NULL, "%s: unexpected argument", poptPeekArg(con));
		goto out;
	}
	if (tool_arg_sizes("--wss", wss ? wss : "64M", &p.wss, &p.wss_count) ||
	    tool_arg_uints("--parallel", parallel ? parallel : "1", 1, 256, &p.parallel, &p.parallel_count) ||
	    (count && tool_arg_uint("--count", count, 1, 1000000, &p.count)) ||
	    (warmup && tool_arg_uint("--warmup", warmup, 0, 1000000, &p.warmup)) ||
	    tool_arg_words("--engine", engine ? engine : "user", engine_names, engine_flags) ||
	    tool_arg_words("--mode", mode ? mode : "demand", mode_names, mode_flags))
		goto out;
	if (window) {
		uint64_t ignored;

		if (tool_arg_uint("--window", window, 1, 1024, &ignored))
			goto out;
		child_options[n++] = (char *)"--window";
		child_options[n++] = window;
	}
	if (no_push)
		child_options[n++] = (char *)"--no-push";
	p.child_options = child_options;
	mitosis_set_logger(print_log, NULL);
	signal(SIGPIPE, SIG_IGN);
	status = STATUS_FAILED;
	if (!record_open(&p.out, stdout, json ? RECORD_JSON : RECORD_AUTO, columns, info.ncolumns,
			 engine ? engine : "user", argc, argv) && !run(&p))
		status = STATUS_OK;
	if (record_close(p.out))
		status = STATUS_FAILED;
out:
	free(p.wss);
	free(p.parallel);
	poptFreeContext(con);
	return status;
}
