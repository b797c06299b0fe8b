// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * core.c - a parent whose children end by abort(), or become another program.
 *
 *	core WHEN	prints where 4 MiB of 'Z' are, and its reference, and waits for input
 *
 * WHEN children end: at once; when they are drained; when all has arrived. "exec": they become cat(1).
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "mitosis.h"

#define BYTES (4UL << 20)

static void be_child(const char *when)
{
	struct mitosis_child_stats stats = { .size = sizeof(stats) };

	if (!strcmp(when, "drained") && mitosis_drain())
		_exit(1);
	do {
		if (mitosis_stats(&stats))
			_exit(1);
	} while (!strcmp(when, "arrived") && stats.missing_pages);
	if (!strcmp(when, "exec")) {
		execlp("cat", "cat", "/proc/self/coredump_filter", "-", NULL);
		_exit(1);
	}
	abort();
}

int main(int argc, char **argv)
{
	char *area = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct rlimit limit;
	char ref[MITOSIS_REF_MAX], c;
	int ret;

	if (argc != 2 || area == MAP_FAILED || getrlimit(RLIMIT_CORE, &limit))
		return 99;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_CORE, &limit))
		return 99;
	memset(area, 'Z', BYTES);
	ret = mitosis_prepare(NULL, ref);
	if (ret < 0)
		return 1;
	if (ret)
		be_child(argv[1]);
	printf("%p\n%s\n", (void *)area, ref);
	fflush(stdout);
	return read(0, &c, 1) < 0;
}
