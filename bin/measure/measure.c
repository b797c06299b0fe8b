// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* measure.c - parents of a tool's own making: see measure.h. */
#include "measure.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "uffd.h"
#include "library.h"
#include "tool.h"

bool measure_has_kernel(bool others)
{
	int err = mitosis_engine_check("kernel");

	if (!err)
		return true;
	library_failed("engine kernel", err);
	if (others)
		tool_warn("engine kernel", "left out");
	return false;
}

bool measure_has_demand(bool others)
{
	int uffd = uffd_open();

	if (uffd >= 0) {
		close(uffd);
		return true;
	}
	tool_error("userfaultfd", "%s: memory cannot be fetched on demand (mitosis-check says what to do)",
		   strerror(-uffd));
	if (others)
		tool_warn("engine user", "on demand: left out");
	return false;
}

bool measure_is_nothing(const uint64_t *wss, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (wss[i])
			continue;
		tool_usage_error("--wss", "0: there is nothing to measure without a working set");
		return true;
	}
	return false;
}

const char *measure_engine_of(const char *ref)
{
	return strncmp(ref, "mitosis+rdma:", 13) ? "user" : "kernel";
}

/* Where its UUID begins; NULL: it is no reference. */
static char *key_of(const char *text)
{
	const char *host = strstr(text, "://");

	if (strncmp(text, "mitosis://", 10) && strncmp(text, "mitosis+rdma://", 15))
		return NULL;
	host = strlen(text) < MITOSIS_REF_MAX ? strchr(host + 3, '/') : NULL;
	return host ? (char *)host + 1 : NULL;
}

static void hide_keys(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		char *key = key_of(argv[i]);

		if (key)
			memset(key, '*', strlen(key));
	}
}

struct list {
	char **refs;
	size_t count;
};

static int add_reference(struct list *l, const char *text)
{
	char **more = realloc(l->refs, (l->count + 2) * sizeof(*more)), *copy = strdup(text);

	if (more)
		l->refs = more;
	if (!more || !copy) {
		tool_error(NULL, "%s", strerror(ENOMEM));
		free(copy);
		return -1;
	}
	l->refs[l->count++] = copy;
	l->refs[l->count] = NULL;
	return 0;
}

/* Other lines may be among them, as those of a parent are. */
static int add_lines(struct list *l)
{
	const size_t before = l->count;
	char *line = NULL;
	size_t room = 0;
	int err = 0;

	while (!err && getline(&line, &room, stdin) >= 0) {
		line[strcspn(line, "\n")] = '\0';
		if (key_of(line))
			err = add_reference(l, line);
	}
	free(line);
	if (!err && ferror(stdin))
		tool_error("standard input", "%s", strerror(errno));
	else if (!err && l->count == before)
		tool_error("standard input", "ended without a reference");
	else
		return err;
	return -1;
}

char **measure_references(const char **given, int argc, char **argv, int *status)
{
	struct list l = { 0 };
	int err = 0;

	for (; *given && !err; given++) {
		if (!strcmp(*given, "-"))
			err = add_lines(&l) ? STATUS_FAILED : 0;
		else if (key_of(*given))
			err = add_reference(&l, *given) ? STATUS_FAILED : 0;
		else
			err = tool_usage_error(*given, "not a reference: expected mitosis://HOST:PORT/UUID, or -");
	}
	hide_keys(argc, argv);
	if (!err)
		return l.refs;
	*status = err;
	measure_references_free(l.refs);
	return NULL;
}

void measure_references_free(char **refs)
{
	for (size_t i = 0; refs && refs[i]; i++)
		free(refs[i]);
	free(refs);
}

int measure_print_reference(const char *ref)
{
	if (printf("%s\n", ref) > 0 && !fflush(stdout))
		return 0;
	tool_note_write_error(errno);
	return -1;
}

int parent_start(struct parent *p, void (*live)(const void *data, int report, int until), const void *data)
{
	pid_t tool = getpid();
	int report[2], until[2];

	if (pipe2(report, O_CLOEXEC)) {
		tool_error("pipe", "%s", strerror(errno));
		return -1;
	}
	if (pipe2(until, O_CLOEXEC)) {
		tool_error("pipe", "%s", strerror(errno));
		close(report[0]);
		close(report[1]);
		return -1;
	}
	fflush(NULL);
	p->pid = fork();
	if (!p->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != tool)
			_exit(STATUS_FAILED);
		close(report[0]);
		close(until[1]);
		live(data, report[1], until[0]);
		_exit(0);
	}
	close(report[1]);
	close(until[0]);
	p->report = report[0];
	p->until = until[1];
	if (p->pid > 0)
		return 0;
	tool_error("fork", "%s", strerror(errno));
	close(p->report);
	close(p->until);
	return -1;
}

void parent_end(struct parent *p)
{
	close(p->report);
	close(p->until);
	while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
		;
}

int parents_serve(const struct parent *parents, size_t n)
{
	sigset_t set, old;
	int status = 0;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, &old);
	for (;;) {
		for (size_t i = 0; i < n && !status; i++) {
			siginfo_t ended = { 0 };

			/* Not reaped: parent_end() does that. */
			if (!waitid(P_PID, (id_t)parents[i].pid, &ended, WEXITED | WNOHANG | WNOWAIT) && ended.si_pid) {
				tool_error("parent", "process %d ended", (int)parents[i].pid);
				status = -1;
			}
		}
		if (status || sigwaitinfo(&set, NULL) != SIGCHLD)
			break;
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
	return status;
}

int parent_prepare(const char *engine, const char *listen, char ref[MITOSIS_REF_MAX])
{
	struct mitosis_prepare_args args = MITOSIS_PREPARE_ARGS_INIT;
	int ret;

	args.engine = engine;
	args.listen = listen;
	ret = mitosis_prepare(&args, ref);
	if (ret >= 0)
		return ret;
	library_failed(listen ? listen : "prepare", ret);
	_exit(STATUS_FAILED);
}

void parent_wait(int until)
{
	char c;

	while (read(until, &c, 1) < 0 && errno == EINTR)
		;
	_exit(0);
}
