// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mitosis-exectime - measures execution against the working set, phase by phase.
 *
 * A process touches its working set: for the first time (cold), again (warm), in a forked child of
 * it (fork), in the parent after it was prepared (cow), in a resumed child (child) and there once
 * more (child2). Every byte read is compared with what the parent wrote. With --access write the
 * parent writes other values after prepare, so a snapshot that changed would be noticed.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "children.h"
#include "clock.h"
#include "mitosis.h"
#include "progress.h"
#include "tool.h"
#include "units.h"
#include "wss.h"

enum { C_ENGINE, C_PHASE, C_WSS, C_TOUCH, C_PATTERN, C_ACCESS, C_WINDOW, C_PUSH, C_ITER, C_EXEC, C_FAULTS,
       C_FETCHED_PAGES, C_FETCHED_BYTES };
static const struct record_column columns[] = {
	[C_ENGINE]  = { "engine", RECORD_STRING, "user" },
	[C_PHASE]   = { "phase", RECORD_STRING, "cold, warm, fork, cow, child, child2" },
	[C_WSS]     = { "wss", RECORD_SIZE, "working set, bytes" },
	[C_TOUCH]   = { "touch", RECORD_UINT, "share of it that is touched, percent" },
	[C_PATTERN] = { "pattern", RECORD_STRING, "order of the pages: seq or random" },
	[C_ACCESS]  = { "access", RECORD_STRING, "read or write (read and write back)" },
	[C_WINDOW]  = { "window", RECORD_UINT, "pages fetched per fault in a resumed child" },
	[C_PUSH]    = { "push", RECORD_UINT, "1: the background fetches too" },
	[C_ITER]    = { "iter", RECORD_UINT, "iteration, from 0" },
	[C_EXEC]    = { "exec_ns", RECORD_NS, "time of the phase" },
	[C_FAULTS]  = { "faults", RECORD_UINT, "page faults in it: of the kernel, in a resumed child those that the pager served" },
	[C_FETCHED_PAGES] = { "fetched_pages", RECORD_UINT, "pages that came from the parent's host in it" },
	[C_FETCHED_BYTES] = { "fetched_bytes", RECORD_SIZE, "the same in bytes" },
};

enum phase { PHASE_COLD, PHASE_WARM, PHASE_FORK, PHASE_COW, PHASE_CHILD, PHASE_CHILD2, PHASES };
static const char *const phase_names[] = { "cold", "warm", "fork", "cow", "child", "child2", NULL };

struct work {
	uint64_t wss, touch;
	bool random, write;
};

struct result {
	uint64_t phase, exec_ns, faults, fetched_pages;
	uint64_t wrong;			/* address of a wrong word, or 0 */
};

struct plan {
	uint64_t *wss, *touch;
	size_t wss_count, touch_count;
	bool seq, random, read, write, phases[PHASES];
	uint64_t count, window;
	bool push;
	char *const *child_options;
	struct record_stream *out;
	uint64_t done;
};

static void print_log(enum mitosis_log_level level, const char *text, void *data)
{
	if (level <= MITOSIS_LOG_WARNING)
		tool_error(NULL, "%s", text);
}

/*
 * A pseudo-random permutation of [0, n) without a table, which would itself be memory to fetch:
 * a four-round Feistel network on the next even power of two, walked until it falls inside.
 */
static uint64_t permute(uint64_t i, uint64_t n)
{
	unsigned int half = 1;

	while (1ULL << 2 * half < n)
		half++;
	do {
		uint64_t mask = (1ULL << half) - 1, left = i >> half, right = i & mask;

		for (uint64_t round = 1; round <= 4; round++) {
			uint64_t mixed = (right + round) * 0x9e3779b97f4a7c15ULL;
			uint64_t next = left ^ (mixed >> (64 - half));

			left = right;
			right = next & mask;
		}
		i = left << half | right;
	} while (i >= n);
	return i;
}

static uint64_t minor_faults(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (uint64_t)u.ru_minflt;
}

/* One pass over the touched pages; written back are the same values, or those of another seed. */
static struct result pass(struct wss *w, const struct work *k, enum phase phase, uint64_t seed)
{
	uint64_t n = w->pages * k->touch / 100, faults = minor_faults(), start = clock_now_ns();
	struct result r = { .phase = phase };

	for (uint64_t i = 0; i < n; i++) {
		uint64_t page = k->random ? permute(i, w->pages) : i;

		if (phase != PHASE_COLD && !r.wrong)
			r.wrong = (uint64_t)(uintptr_t)wss_check_page(w, page);
		if (phase == PHASE_COLD || k->write)
			wss_fill_page(w, page, seed);
	}
	r.exec_ns = clock_now_ns() - start;
	r.faults = minor_faults() - faults;
	return r;
}

static struct result child_pass(struct wss *w, const struct work *k, enum phase phase)
{
	struct mitosis_child_stats before = { .size = sizeof(before) }, after = before;
	struct result r;

	mitosis_stats(&before);
	r = pass(w, k, phase, w->seed);
	mitosis_stats(&after);
	r.faults = after.faults - before.faults;
	r.fetched_pages = after.fetched_pages - before.fetched_pages;
	return r;
}

static void tell(int fd, const struct result *r)
{
	if (write_exactly(fd, r, sizeof(*r)))
		_exit(STATUS_FAILED);
}

/* The life of the parent, and of each child from prepare on. */
static __attribute__((noreturn)) void live(const struct plan *p, const struct work *k, int report, int until)
{
	char ref[MITOSIS_REF_MAX] = "";
	struct wss w = { .seed = 42 };
	struct result r;
	char c;
	int ret;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	w.pages = (k->wss + 4095) / 4096;
	w.bytes = w.pages * 4096;
	w.base = mmap(NULL, w.bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (w.base == MAP_FAILED) {
		tool_error("working set", "%s", strerror(errno));
		_exit(STATUS_FAILED);
	}
	madvise(w.base, w.bytes, MADV_NOHUGEPAGE);
	r = pass(&w, k, PHASE_COLD, w.seed);
	tell(report, &r);
	for (uint64_t page = 0; page < w.pages; page++)
		wss_fill_page(&w, page, w.seed);
	r = pass(&w, k, PHASE_WARM, w.seed);
	tell(report, &r);

	if (p->phases[PHASE_FORK]) {
		pid_t pid = fork();
		int status;

		if (!pid) {
			r = pass(&w, k, PHASE_FORK, w.seed);
			tell(report, &r);
			_exit(0);
		}
		if (pid < 0 || waitpid(pid, &status, 0) < 0 || status)
			_exit(STATUS_FAILED);
		/* Take the pages back, so that prepare starts from memory of its own. */
		for (uint64_t page = 0; page < w.pages; page++)
			wss_fill_page(&w, page, w.seed);
	}
	ret = mitosis_prepare(NULL, ref);
	if (ret == 1) {
		r = child_pass(&w, k, PHASE_CHILD);
		tell(1, &r);
		r = child_pass(&w, k, PHASE_CHILD2);
		tell(1, &r);
		_exit(0);
	}
	if (ret < 0) {
		tool_error("prepare", "%s", strerror(-ret));
		_exit(STATUS_FAILED);
	}
	r = pass(&w, k, PHASE_COW, w.seed + 1);
	tell(report, &r);
	write_exactly(report, ref, sizeof(ref));
	(void)!read(until, &c, 1);
	_exit(0);
}

static int take(struct plan *p, const struct work *k, uint64_t iter, const struct result *r)
{
	bool remote = r->phase == PHASE_CHILD || r->phase == PHASE_CHILD2;

	if (r->phase >= PHASES)
		return -1;
	if (r->wrong) {
		tool_error(phase_names[r->phase], "wrong byte at 0x%llx: it is not what the parent wrote",
			   (unsigned long long)r->wrong);
		return -1;
	}
	if (!p->phases[r->phase])
		return 0;
	record_begin(p->out);
	record_string(p->out, C_ENGINE, "user");
	record_string(p->out, C_PHASE, phase_names[r->phase]);
	record_uint(p->out, C_WSS, k->wss);
	record_uint(p->out, C_TOUCH, k->touch);
	record_string(p->out, C_PATTERN, k->random ? "random" : "seq");
	record_string(p->out, C_ACCESS, k->write ? "write" : "read");
	record_uint(p->out, C_WINDOW, p->window);
	record_uint(p->out, C_PUSH, p->push);
	record_uint(p->out, C_ITER, iter);
	record_uint(p->out, C_EXEC, r->exec_ns);
	record_uint(p->out, C_FAULTS, r->faults);
	if (remote) {
		record_uint(p->out, C_FETCHED_PAGES, r->fetched_pages);
		record_uint(p->out, C_FETCHED_BYTES, r->fetched_pages * 4096);
	}
	record_end(p->out);
	return record_error(p->out);
}

static int run_child(struct plan *p, const struct work *k, uint64_t iter, char *ref)
{
	const char *path = sibling_path("mitosis-child");
	char *argv[16] = { (char *)path, (char *)"--quiet" };
	struct child c;
	struct result r;
	int argc = 2, err = 0, status;

	for (char *const *o = p->child_options; *o && argc < 14; o++)
		argv[argc++] = *o;
	argv[argc] = ref;
	if (child_start(&c, argv)) {
		tool_error(path, "%s", strerror(errno));
		return -1;
	}
	for (int i = 0; i < 2 && !err; i++) {
		err = child_read(&c, &r, sizeof(r));
		if (!err)
			err = take(p, k, iter, &r);
	}
	status = child_finish(&c);
	if (status)
		tool_error(path, "child ended with status %d", status);
	return err || status ? -1 : 0;
}

static int run_one(struct plan *p, const struct work *k, uint64_t iter)
{
	int report[2], until[2], err = 0, phases = p->phases[PHASE_FORK] ? 4 : 3;
	char ref[MITOSIS_REF_MAX];
	struct result r;
	pid_t pid;

	if (pipe2(report, O_CLOEXEC) || pipe2(until, O_CLOEXEC)) {
		tool_error("pipe", "%s", strerror(errno));
		return -1;
	}
	fflush(NULL);
	pid = fork();
	if (!pid) {
		close(report[0]);
		close(until[1]);
		live(p, k, report[1], until[0]);
	}
	close(report[1]);
	close(until[0]);
	for (int i = 0; i < phases && !err; i++) {
		err = read_exactly(report[0], &r, sizeof(r));
		if (!err)
			err = take(p, k, iter, &r);
	}
	if (!err && (p->phases[PHASE_CHILD] || p->phases[PHASE_CHILD2])) {
		err = read_exactly(report[0], ref, sizeof(ref));
		if (!err)
			err = run_child(p, k, iter, ref);
	}
	close(report[0]);
	close(until[1]);
	waitpid(pid, NULL, 0);
	progress_update(++p->done);
	return err;
}

static int run(struct plan *p)
{
	int err = 0;

	progress_start("exectime", p->count * p->wss_count * p->touch_count * ((p->seq ? 1 : 0) + (p->random ? 1 : 0)) *
		       ((p->read ? 1 : 0) + (p->write ? 1 : 0)));
	for (size_t w = 0; w < p->wss_count; w++) {
		for (size_t t = 0; t < p->touch_count; t++) {
			for (int variant = 0; variant < 4; variant++) {
				struct work k = {
					.wss = p->wss[w], .touch = p->touch[t],
					.random = variant & 1, .write = variant & 2,
				};

				if (!(k.random ? p->random : p->seq) || !(k.write ? p->write : p->read))
					continue;
				for (uint64_t i = 0; i < p->count && !err; i++)
					err = run_one(p, &k, i);
			}
		}
	}
	progress_finish();
	return err;
}

int main(int argc, char **argv)
{
	static const struct tool_info info = {
		.synopsis = "[OPTION...]",
		.summary = "Measure execution against the working set, phase by phase. One record per phase and iteration;\n"
			   "every byte that is read is compared with what the parent wrote.",
		.columns = columns, .ncolumns = sizeof(columns) / sizeof(columns[0]),
		.examples = "  mitosis-exectime --wss 64M | mitosis-stats --columns exec_ns --baseline phase=fork\n"
			    "  mitosis-exectime --wss 16M --touch 0..100:20 --no-push --pattern random | mitosis-stats\n",
		.exit_status = "  0; 1 failed, or a byte was wrong; 2 wrong usage\n",
	};
	static const char *const pattern_names[] = { "seq", "random", NULL }, *const access_names[] = { "read", "write", NULL };
	struct plan p = { .count = 5, .window = 32, .push = true };
	bool *const pattern_flags[] = { &p.seq, &p.random }, *const access_flags[] = { &p.read, &p.write };
	bool *const phase_flags[] = { &p.phases[0], &p.phases[1], &p.phases[2], &p.phases[3], &p.phases[4], &p.phases[5] };
	char *wss = NULL, *touch = NULL, *pattern = NULL, *access = NULL, *phase = NULL, *count = NULL;
	char *window = NULL, *mode = NULL, window_text[24], *child_options[8] = { NULL };
	int push = 0, no_push = 0, json = 0, opt, status = STATUS_USAGE;
	size_t n = 0;
	struct poptOption options[] = {
		{ "wss", 's', POPT_ARG_STRING, &wss, 0, "working sets: list and doubling ranges (default 64M)", "SIZE[,SIZE...]" },
		{ "touch", 't', POPT_ARG_STRING, &touch, 0, "share that is touched, 0 to 100 (default 100; 0..100:10 steps by ten)", "PERCENT[,PERCENT...]" },
		{ "pattern", '\0', POPT_ARG_STRING, &pattern, 0, "seq, random (default seq)", "PATTERN[,PATTERN]" },
		{ "access", 'a', POPT_ARG_STRING, &access, 0, "read, write (default read)", "ACCESS[,ACCESS]" },
		{ "phase", '\0', POPT_ARG_STRING, &phase, 0, "cold,warm,fork,cow,child,child2 (default all)", "PHASE[,PHASE...]" },
		{ "count", 'n', POPT_ARG_STRING, &count, 0, "iterations per combination (default 5)", "N" },
		{ "window", 'w', POPT_ARG_STRING, &window, 0, "pages fetched per fault (default 32)", "PAGES" },
		{ "mode", 'm', POPT_ARG_STRING, &mode, 0, "how the child's memory comes: demand or eager", "MODE" },
		{ "push", '\0', POPT_ARG_NONE, &push, 0, "the background fetches too (default)", NULL },
		{ "no-push", '\0', POPT_ARG_NONE, &no_push, 0, "fetch on faults only", NULL },
		{ "json", 'j', POPT_ARG_NONE, &json, 0, "write JSON Lines", NULL },
		TOOL_COMMON_OPTIONS,
		POPT_TABLEEND
	};
	poptContext con;

	tool_init("mitosis-exectime");
	con = tool_context(argc, argv, options, 0, &info);
	opt = tool_next(con);
	if (opt != TOOL_END)
		goto out;
	if (poptPeekArg(con)) {
		tool_usage_error(NULL, "%s: unexpected argument", poptPeekArg(con));
		goto out;
	}
	if (push && no_push) {
		tool_usage_error("--push", "contradicts --no-push");
		goto out;
	}
	if (mode && strcmp(mode, "demand") && strcmp(mode, "eager")) {
		tool_usage_error("--mode", "%s: neither demand nor eager", mode);
		goto out;
	}
	if (tool_arg_sizes("--wss", wss ? wss : "64M", &p.wss, &p.wss_count) ||
	    tool_arg_uints("--touch", touch ? touch : "100", 0, 100, &p.touch, &p.touch_count) ||
	    (count && tool_arg_uint("--count", count, 1, 1000000, &p.count)) ||
	    (window && tool_arg_uint("--window", window, 1, 1024, &p.window)) ||
	    tool_arg_words("--pattern", pattern ? pattern : "seq", pattern_names, pattern_flags) ||
	    tool_arg_words("--access", access ? access : "read", access_names, access_flags) ||
	    tool_arg_words("--phase", phase ? phase : "cold,warm,fork,cow,child,child2", phase_names, phase_flags))
		goto out;
	p.push = !no_push;
	snprintf(window_text, sizeof(window_text), "%llu", (unsigned long long)p.window);
	child_options[n++] = (char *)"--window";
	child_options[n++] = window_text;
	if (mode) {
		child_options[n++] = (char *)"--mode";
		child_options[n++] = mode;
	}
	if (no_push)
		child_options[n++] = (char *)"--no-push";
	p.child_options = child_options;
	mitosis_set_logger(print_log, NULL);
	signal(SIGPIPE, SIG_IGN);
	status = STATUS_FAILED;
	if (!record_open(&p.out, stdout, json ? RECORD_JSON : RECORD_AUTO, columns, info.ncolumns, "user", argc, argv) &&
	    !run(&p))
		status = STATUS_OK;
	if (record_close(p.out))
		status = STATUS_FAILED;
out:
	free(p.wss);
	free(p.touch);
	poptFreeContext(con);
	return status;
}
