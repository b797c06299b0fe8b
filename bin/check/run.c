// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * run.c - programs that mitosis-check asks: they get a limited time, and no environment of
 * languages.
 */
#include "run.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"

#define LIMIT_NS 60000000000u

/* What comes out of a pipe until its end, or NULL if that takes too long. */
static char *read_all(int fd)
{
	uint64_t until = clock_now_ns() + LIMIT_NS, now;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t have = 0, room = 4096;
	char *text = malloc(room), *grown;
	ssize_t n;

	for (;;) {
		now = clock_now_ns();
		if (!text || now >= until || poll(&p, 1, (int)((until - now) / 1000000) + 1) <= 0)
			break;
		n = read(fd, text + have, room - have - 1);
		if (n <= 0) {
			text[have] = '\0';
			return text;
		}
		have += (size_t)n;
		if (room - have > 1)
			continue;
		room *= 2;
		grown = realloc(text, room);
		if (!grown)
			break;
		text = grown;
	}
	free(text);
	return NULL;
}

char *run_program(char *const argv[], bool errors, int *status)
{
	char *text;
	int out[2], ended, null;
	pid_t pid;

	*status = -1;
	if (pipe2(out, O_CLOEXEC))
		return NULL;
	fflush(NULL);
	pid = fork();
	if (!pid) {
		null = open("/dev/null", O_RDWR | O_CLOEXEC);
		dup2(null, 0);
		dup2(out[1], 1);
		dup2(errors ? out[1] : null, 2);
		setenv("LC_ALL", "C", 1);
		execv(argv[0], argv);
		_exit(127);
	}
	close(out[1]);
	text = pid > 0 ? read_all(out[0]) : NULL;
	close(out[0]);
	if (pid <= 0)
		return NULL;
	if (!text)
		kill(pid, SIGKILL);
	if (waitpid(pid, &ended, 0) == pid && WIFEXITED(ended))
		*status = WEXITSTATUS(ended);
	return text;
}
