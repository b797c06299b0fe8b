// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * stamp.c - prints the time at which it came to main: what a start is measured to. With an argument: when
 * its constructors ran.
 */
#include <stdio.h>
#include <time.h>

static long long begun;

static long long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static __attribute__((constructor)) void begin(void)
{
	begun = now_ns();
}

int main(int argc, char **argv)
{
	long long now = now_ns();

	(void)argv;
	printf("%lld\n", argc > 1 ? begun : now);
	return 0;
}
