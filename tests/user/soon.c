// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * soon.c - ends, once it is another process than it was, with status 7 at about the time when all of its memory
 * is there: it reads it all, and goes on for up to 0.7 ms. Its argument is the number of pages.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

int main(int argc, char **argv)
{
	size_t bytes = 4096 * (argc > 1 ? strtoul(argv[1], NULL, 0) : 1);
	const struct timespec moment = { .tv_nsec = 1000000 };
	volatile unsigned char *memory = malloc(bytes);
	uint64_t sum = 0, until;
	int parent = getpid();

	if (!memory)
		return 1;
	memset((void *)memory, 1, bytes);
	puts("ready");
	fflush(stdout);
	while (getpid() == parent)
		nanosleep(&moment, NULL);
	for (size_t i = 0; i < bytes; i += 4096)
		sum += memory[i];
	until = now_ns();
	until += until % 36 * 20000;
	while (now_ns() < until)
		;
	_exit(sum == bytes / 4096 ? 7 : 1);
}
