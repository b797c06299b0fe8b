// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * cycles.c - prepares, resumes a child and releases, many times over: nothing may accumulate.
 *
 * Compared are the descriptors, the memory and the processes of the parent after a tenth of the
 * cycles and at the end: what is mapped, and what is resident without being a file's, since pages of
 * the program itself come when they are needed. The number of cycles: MITOSIS_CYCLES, else 1000.
 */
#include <dirent.h>
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mitosis.h"

struct usage {
	int descriptors, processes;
	long private_kib, mapped_kib;
};

static char content[64 * 4096];

static int count_entries(const char *path)
{
	DIR *dir = opendir(path);
	int n = 0;

	if (!dir)
		return -1;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static struct usage measure(void)
{
	struct usage u = { .descriptors = count_entries("/proc/self/fd") };
	char line[4096];
	FILE *f = fopen("/proc/self/status", "re");

	while (f && fgets(line, sizeof(line), f)) {
		sscanf(line, "RssAnon: %ld", &u.private_kib);
		sscanf(line, "VmSize: %ld", &u.mapped_kib);
	}
	if (f)
		fclose(f);
	snprintf(line, sizeof(line), "/proc/self/task/%d/children", getpid());
	f = fopen(line, "re");
	line[0] = '\0';
	if (f && fgets(line, sizeof(line), f))
		for (char *p = line; *p; p++)
			u.processes += *p == ' ';
	if (f)
		fclose(f);
	return u;
}

static void print_log(enum mitosis_log_level level, const char *text, void *data)
{
	if (level <= MITOSIS_LOG_WARNING)
		fprintf(stderr, "cycles: %s\n", text);
}

/* Returns 0, or what is wrong with this cycle. */
static const char *cycle(int n, const char *tool)
{
	struct mitosis_prepare_args args = MITOSIS_PREPARE_ARGS_INIT;
	char ref[MITOSIS_REF_MAX], *argv[] = { (char *)tool, ref, NULL };
	extern char **environ;
	int status, ret;
	pid_t pid;

	memset(content, n, sizeof(content));
	args.listen = getenv("MITOSIS_TEST_LISTEN");
	args.engine = getenv("MITOSIS_TEST_ENGINE");
	ret = mitosis_prepare(&args, ref);
	if (ret == 1) {
		for (size_t i = 0; i < sizeof(content); i++)
			if (content[i] != (char)n)
				_exit(1);
		_exit(42);
	}
	if (ret < 0)
		return strerror(-ret);
	memset(content, ~n, sizeof(content));
	if (posix_spawn(&pid, tool, NULL, NULL, argv, environ))
		return "cannot start the child";
	if (waitpid(pid, &status, 0) != pid)
		return "waitpid";
	if (status != 42 << 8)
		return "wrong status of the child";
	ret = mitosis_release(ref);
	return ret ? strerror(-ret) : NULL;
}

int main(void)
{
	const char *tool = getenv("MITOSIS_TEST_CHILD"), *text = getenv("MITOSIS_CYCLES");
	int cycles = text ? atoi(text) : 1000;
	struct usage early = { 0 }, end;

	mitosis_set_logger(print_log, NULL);
	if (!tool || cycles < 10)
		return 99;
	for (int n = 0; n < cycles; n++) {
		const char *why = cycle(n, tool);

		if (why) {
			printf("cycle %d: %s\n", n, why);
			return 1;
		}
		if (n + 1 == cycles / 10)
			early = measure();
	}
	end = measure();
	printf("after %d cycles: %d descriptors, %d processes, %ld KiB private, %ld KiB mapped\n", cycles / 10,
	       early.descriptors, early.processes, early.private_kib, early.mapped_kib);
	printf("after %d cycles: %d descriptors, %d processes, %ld KiB private, %ld KiB mapped\n", cycles,
	       end.descriptors, end.processes, end.private_kib, end.mapped_kib);
	if (end.descriptors != early.descriptors || end.processes || early.processes ||
	    end.private_kib > early.private_kib + 64 || end.mapped_kib != early.mapped_kib)
		return 1;
	return 0;
}
