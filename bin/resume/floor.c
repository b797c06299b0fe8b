// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* floor.c - what nothing can be faster than: see resume.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "measure/rate.h"
#include "resume/resume.h"
#include "tool.h"
#include "wss.h"

static int fork_one(uint64_t *start, struct sample *s)
{
	uint64_t first;
	int pipes[2];
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC)) {
		tool_error("pipe", "%s", strerror(errno));
		return -1;
	}
	fflush(NULL);
	*start = clock_now_ns();
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
	*s = (struct sample){ .resume_ns = first - *start, .life_ns = clock_now_ns() - *start };
	return 0;
}

int run_local(struct plan *p, uint64_t bytes)
{
	struct wss w = { 0 };
	struct rate rate;
	uint64_t begin;
	int err = 0;

	if (bytes && wss_make(&w, bytes, false)) {
		tool_error("working set", "%s", strerror(errno));
		return -1;
	}
	begin = clock_now_ns();
	rate = rate_begin(p->count + p->warmup, 1, begin);
	for (uint64_t i = 0; i < p->count + p->warmup && !err; i++) {
		uint64_t start;
		struct sample s;

		err = fork_one(&start, &s);
		if (err)
			break;
		s.at_ns = start - begin;
		s.per_s = rate_add(&rate, start + s.life_ns);
		emit(p, "local", bytes, "fork", 1, i, &s);
	}
	wss_free(&w);
	return err;
}

int run_exec(struct plan *p)
{
	char *argv[] = { (char *)"/bin/true", NULL };
	uint64_t begin = clock_now_ns();
	struct rate rate = rate_begin(p->count + p->warmup, 1, begin);

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
		s.at_ns = start - begin;
		s.per_s = rate_add(&rate, start + s.life_ns);
		emit(p, "exec", 0, "exec", 1, i, &s);
	}
	return 0;
}
