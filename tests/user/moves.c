// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * moves.c - a program that moves its memory all the time and makes it grow; a copy that goes on elsewhere forks.
 *
 *   moves [dead]		"dead": its first thread ends
 *
 * A copy tries until a process that it forks has all of the memory; from then on each has, and in the end nothing is
 * registered with a userfaultfd any more. Status 0, or 1 after a while.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define AREAS		48u
#define PAGE		4096u
#define LEAST		24u
#define MOST		40u
#define PATIENCE_S	20

static struct {
	char *at;
	size_t pages;
} areas[AREAS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool stop;
static pid_t number;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void fill(unsigned int i, size_t from)
{
	for (size_t k = from; k < areas[i].pages; k++)
		areas[i].at[k * PAGE] = (char)(i + 1);
}

static void *move(void *arg)
{
	unsigned int random = 1;

	for (;;) {
		unsigned int i, old;
		char *at, *to;

		random = random * 1664525 + 1013904223;
		i = (random >> 8) % AREAS;
		pthread_mutex_lock(&lock);
		if (stop)
			break;
		old = (unsigned int)areas[i].pages;
		areas[i].pages = LEAST + (random >> 16) % (MOST - LEAST);
		/* Away, or where it is if there is room. */
		to = random >> 31 ? mmap(NULL, MOST * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) : NULL;
		at = mremap(areas[i].at, old * PAGE, areas[i].pages * PAGE, MREMAP_MAYMOVE | (to ? MREMAP_FIXED : 0), to);
		if (at == MAP_FAILED)
			abort();
		if (to)
			munmap(to + areas[i].pages * PAGE, (MOST - areas[i].pages) * PAGE);
		areas[i].at = at;
		fill(i, old);
		pthread_mutex_unlock(&lock);
	}
	pthread_mutex_unlock(&lock);
	return NULL;
}

/* A process that is forked now has all that this one has. */
static bool can_fork(void)
{
	int status = 0;
	pid_t pid;

	pthread_mutex_lock(&lock);
	pid = fork();
	pthread_mutex_unlock(&lock);
	if (!pid) {
		for (unsigned int i = 0; i < AREAS; i++)
			for (size_t k = 0; k < areas[i].pages; k++)
				if (areas[i].at[k * PAGE] != (char)(i + 1))
					_exit(3);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid || (WIFEXITED(status) && WEXITSTATUS(status))) {
		printf("a copy has other memory\n");
		exit(1);
	}
	return !status;
}

static bool is_registered(void)
{
	char line[512];
	bool found = false;
	FILE *f = fopen("/proc/thread-self/smaps", "r");

	while (f && fgets(line, sizeof(line), f))
		found |= !strncmp(line, "VmFlags:", 8) && strstr(line, " um");
	if (f)
		fclose(f);
	return found;
}

static void *check(void *arg)
{
	struct timespec pause = { .tv_nsec = 1000000 };
	double end;

	while (syscall(SYS_getpid) == number)
		nanosleep(&pause, NULL);
	end = now() + PATIENCE_S;
	while (!can_fork())
		if (now() > end) {
			printf("no copy lives\n");
			exit(1);
		}
	for (int i = 0; i < 20; i++)
		if (!can_fork()) {
			printf("copy %d does not live\n", i);
			exit(1);
		}
	pthread_mutex_lock(&lock);
	stop = true;
	pthread_mutex_unlock(&lock);
	while (is_registered())
		if (now() > end) {
			printf("memory is registered still\n");
			exit(1);
		}
	printf("all is its own\n");
	exit(0);
}

int main(int argc, char **argv)
{
	pthread_t t;

	setvbuf(stdout, NULL, _IOLBF, 0);
	number = (pid_t)syscall(SYS_getpid);
	for (unsigned int i = 0; i < AREAS; i++) {
		areas[i].pages = LEAST;
		areas[i].at = mmap(NULL, LEAST * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (areas[i].at == MAP_FAILED)
			return 99;
		fill(i, 0);
	}
	if (pthread_create(&t, NULL, move, NULL) || pthread_create(&t, NULL, check, NULL))
		return 99;
	printf("ready\n");
	if (argc > 1)
		syscall(SYS_exit, 0);
	for (;;)
		pause();
}
