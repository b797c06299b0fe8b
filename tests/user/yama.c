// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * yama.c - to be preloaded: ptrace(2) is what Yama lets a user have, where the kernel has no such module.
 *
 *   MITOSIS_TEST_YAMA=1	only what one has started oneself may be traced; 2, 3: nothing
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

static int parent_of(int pid)
{
	char path[40], line[128];
	int parent = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f) && sscanf(line, "PPid: %d", &parent) != 1)
		;
	if (f)
		fclose(f);
	return parent;
}

long ptrace(enum __ptrace_request request, ...)
{
	const char *scope = getenv("MITOSIS_TEST_YAMA");
	long pid, address, data;
	va_list ap;

	va_start(ap, request);
	pid = va_arg(ap, int);
	address = va_arg(ap, long);
	data = va_arg(ap, long);
	va_end(ap);
	if (request == PTRACE_SEIZE && scope && (*scope >= '2' || parent_of((int)pid) != getpid())) {
		errno = EPERM;
		return -1;
	}
	return syscall(SYS_ptrace, request, pid, address, data);
}
