// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * kill-tracer.c - a tracer is killed at some moment.
 *
 *   kill-tracer MICROSECONDS PID COMMAND...
 *
 * Runs the command, and kills who traces the process so long after it has begun to. Prints "killed" or, where the command
 * was sooner, "late"; what the command says goes where it goes; its status is not looked at.
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static unsigned long now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (unsigned long)t.tv_sec * 1000000 + (unsigned long)t.tv_nsec / 1000;
}

/* Of any of its threads; 0: nobody. */
static int tracer_of(const char *pid)
{
	char path[300], line[256];
	const struct dirent *e;
	int tracer = 0;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%s/task", pid);
	d = opendir(path);
	while (d && !tracer && (e = readdir(d))) {
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%s/task/%s/status", pid, e->d_name);
		f = *e->d_name == '.' ? NULL : fopen(path, "r");
		while (f && fgets(line, sizeof(line), f))
			if (sscanf(line, "TracerPid: %d", &tracer) == 1)
				break;
		if (f)
			fclose(f);
	}
	if (d)
		closedir(d);
	return tracer;
}

int main(int argc, char **argv)
{
	unsigned long after = argc > 3 ? strtoul(argv[1], NULL, 10) : 0, began;
	int tracer = 0, pidfd, killed = 0;
	pid_t pid;

	if (argc < 4)
		return 2;
	pid = fork();
	if (!pid) {
		execvp(argv[3], argv + 3);
		_exit(127);
	}
	while (pid > 0 && !tracer && !waitpid(pid, NULL, WNOHANG))
		tracer = tracer_of(argv[2]);
	began = now_us();
	/* Its number may be another's when the time has come. */
	pidfd = tracer ? (int)syscall(SYS_pidfd_open, tracer, 0) : -1;
	while (pidfd >= 0 && now_us() - began < after)
		;
	killed = pidfd >= 0 && !syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	if (tracer)
		waitpid(pid, NULL, 0);
	puts(killed ? "killed" : "late");
	return 0;
}
