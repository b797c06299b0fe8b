// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * threads.c - how long a process with so many threads stands still while it is prepared by its number, against a bare
 * clone(2) in it, taken in turns; and how soon its children run.
 *
 *   threads THREADS MIB COUNT [CHILDREN]
 *
 * Writes records: threads, wss, engine (clone, prepare, child) and ns.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;
static char self[16], reference[256];

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static void *sleep_on(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static uint64_t bare_clone(void)
{
	uint64_t began = now_ns(), took;
	long pid = syscall(SYS_clone, 0, 0, 0, 0, 0);

	took = now_ns() - began;
	if (!pid)
		_exit(0);
	waitpid((pid_t)pid, NULL, __WALL);
	return took;
}

/* How often this thread was stopped, and not only put off for others. */
static long stops(void)
{
	struct rusage u;

	getrusage(RUSAGE_THREAD, &u);
	return u.ru_nvcsw;
}

/* The longest moment in which this thread was stopped, while the tool ran. */
static uint64_t stand_still(void)
{
	char *args[] = { "mitosis-parent", "--lifetime", "20s", "--pid", self, NULL };
	posix_spawn_file_actions_t actions;
	uint64_t longest = 0, last;
	long before;
	int ends[2], status;
	pid_t pid;
	ssize_t n;

	if (pipe2(ends, O_CLOEXEC))
		exit(1);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
	if (posix_spawnp(&pid, args[0], &actions, NULL, args, environ))
		exit(1);
	close(ends[1]);
	before = stops();
	for (last = now_ns();;) {
		pid_t ended = waitpid(pid, &status, WNOHANG);
		uint64_t now = now_ns();

		if (now - last > 20000 && stops() > before) {
			if (now - last > longest)
				longest = now - last;
			before = stops();
		}
		last = now_ns();
		/* A child of the snapshot. */
		if (ended < 0)
			sleep_on(NULL);
		if (ended)
			break;
	}
	n = read(ends[0], reference, sizeof(reference) - 1);
	reference[n > 0 ? n : 0] = '\0';
	reference[strcspn(reference, "\n")] = '\0';
	close(ends[0]);
	posix_spawn_file_actions_destroy(&actions);
	if (status)
		exit(1);
	return longest;
}

/* From the start of mitosis-child until its child runs. */
static uint64_t resume(void)
{
	char number[12], *args[] = { "mitosis-child", "--quiet", "--tids", "new", "--notify", number, reference, NULL };
	uint64_t began = now_ns(), ran = 0;
	int ends[2];
	pid_t pid;

	if (pipe(ends))
		exit(1);
	fcntl(ends[0], F_SETFD, FD_CLOEXEC);
	snprintf(number, sizeof(number), "%d", ends[1]);
	if (posix_spawnp(&pid, args[0], NULL, NULL, args, environ))
		exit(1);
	close(ends[1]);
	if (read(ends[0], &ran, sizeof(ran)) != sizeof(ran))
		exit(1);
	close(ends[0]);
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
	return ran - began;
}

int main(int argc, char **argv)
{
	long threads = argc > 3 ? atol(argv[1]) : 0, mib = argc > 3 ? atol(argv[2]) : 0;
	int count = argc > 3 ? atoi(argv[3]) : 0, children = argc > 4 ? atoi(argv[4]) : 0;
	pthread_attr_t small;
	size_t bytes = (size_t)mib << 20;
	char *memory;

	if (threads < 1 || mib < 1 || count < 1)
		return 2;
	snprintf(self, sizeof(self), "%d", getpid());
	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED || madvise(memory, bytes, MADV_NOHUGEPAGE))
		return 1;
	for (size_t at = 0; at < bytes; at += 4096)
		memory[at] = 1;
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 64 << 10);
	for (long i = 1; i < threads; i++) {
		pthread_t t;

		if (pthread_create(&t, &small, sleep_on, NULL))
			return 1;
	}
	printf("# mitosis-exp 1 tool=bench/threads\nthreads\twss\tengine\tns\n");
	for (int i = 0; i < count; i++) {
		printf("%ld\t%zu\tclone\t%lu\n", threads, bytes, bare_clone());
		/* What is not written yet, a child would write too. */
		fflush(stdout);
		printf("%ld\t%zu\tprepare\t%lu\n", threads, bytes, stand_still());
		fflush(stdout);
		for (int k = 0; k < children && i == count - 1; k++)
			printf("%ld\t%zu\tchild\t%lu\n", threads, bytes, resume());
	}
	return fflush(stdout) ? 1 : 0;
}
