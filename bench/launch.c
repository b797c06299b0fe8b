// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * launch.c - starts a command many times by vfork and exec, and records how long it took each time.
 *
 *	launch NAME COUNT PARALLEL ROOT COMMAND [ARGUMENT...]
 *
 * The command, or what it starts in the end, prints CLOCK_MONOTONIC in ns when it comes to main: the
 * start is measured to there. %i in an argument is replaced by a number of its own for each start.
 * ROOT: a directory to run in (chroot, once, beforehand), or - for none. Records as mitosis-leanrun
 * writes them; one program for all peers, so that they differ in what they start only.
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <fcntl.h>

#include "clock.h"

extern char **environ;

struct sample {
	uint64_t iter, asked_ns, started_ns, ended_ns;
};

static void fail(const char *what)
{
	fprintf(stderr, "launch: %s: %s\n", what, strerror(errno));
	_exit(1);
}

static uint64_t read_stamp(int fd)
{
	char text[256], line[32];
	size_t have = 0;
	ssize_t n;

	while ((n = read(fd, text, sizeof(text))) > 0)
		for (ssize_t i = 0; i < n && have < sizeof(line) - 1; i++)
			line[have++] = text[i];
	line[have] = '\0';
	return strtoull(line, NULL, 10);
}

static void replace_number(char *argv[], char *const from[], char texts[][512], uint64_t number)
{
	int i = 0;

	for (; from[i] && i < 31; i++) {
		const char *at = strstr(from[i], "%i");

		argv[i] = from[i];
		if (!at)
			continue;
		snprintf(texts[i], 512, "%.*s%d-%llu%s", (int)(at - from[i]), from[i], (int)getpid(), (unsigned long long)number, at + 2);
		argv[i] = texts[i];
	}
	argv[i] = NULL;
}

static void launch(char *const command[], struct sample *s)
{
	static char texts[32][512];
	char *argv[32];
	int pipes[2], status, null = open("/dev/null", O_RDWR | O_CLOEXEC);
	pid_t pid;

	replace_number(argv, command, texts, s->iter);
	if (pipe2(pipes, O_CLOEXEC))
		fail("pipe");
	s->asked_ns = clock_now_ns();
	pid = vfork();
	if (!pid) {
		if (null >= 0)
			dup2(null, 0);
		dup2(pipes[1], 1);
		execvpe(argv[0], argv, environ);
		_exit(127);
	}
	close(pipes[1]);
	s->started_ns = read_stamp(pipes[0]);
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || status) {
		errno = ECHILD;
		fail(argv[0]);
	}
	s->ended_ns = clock_now_ns();
	close(pipes[0]);
	if (null >= 0)
		close(null);
}

int main(int argc, char **argv)
{
	_Atomic uint64_t *next = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t count, parallel, first;
	struct sample s;
	int pipes[2];

	if (argc < 6 || next == MAP_FAILED || pipe2(pipes, O_CLOEXEC))
		return 2;
	count = strtoull(argv[2], NULL, 10);
	parallel = strtoull(argv[3], NULL, 10);
	if (strcmp(argv[4], "-") && (chroot(argv[4]) || chdir("/")))
		fail(argv[4]);
	first = clock_now_ns();
	for (uint64_t i = 0; i < parallel; i++) {
		if (fork())
			continue;
		for (;;) {
			s = (struct sample){ .iter = atomic_fetch_add(next, 1) };
			if (s.iter >= count)
				_exit(0);
			launch(argv + 5, &s);
			if (write(pipes[1], &s, sizeof(s)) != sizeof(s))
				_exit(1);
		}
	}
	close(pipes[1]);
	while (read(pipes[0], &s, sizeof(s)) == sizeof(s))
		printf("%s\t%llu\t%llu\t%llu\t%llu\t%llu\n", argv[1], (unsigned long long)parallel, (unsigned long long)s.iter,
		       (unsigned long long)(s.started_ns - s.asked_ns), (unsigned long long)(s.ended_ns - s.asked_ns),
		       (unsigned long long)(s.asked_ns - first));
	for (uint64_t i = 0; i < parallel; i++) {
		int status;

		if (wait(&status) < 0 || status)
			return 1;
	}
	return 0;
}
