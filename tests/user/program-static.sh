#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 mitosis-exp maintainers
# program-static.sh - a program in C that has 17 threads, linked statically with glibc and with musl.
# shellcheck source-path=SCRIPTDIR source=program.sh
. "$(dirname "$0")/program.sh"
need_command gcc

cat >count.c <<'C'
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define THREADS 16

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER, held;
static pthread_cond_t turn = PTHREAD_COND_INITIALIZER;
static volatile unsigned long beats[THREADS];
static __thread unsigned long own;
static char *slots[1000];

static void wrong(const char *what)
{
	printf("wrong: %s\n", what);
	fflush(stdout);
	_exit(1);
}

static void set(char **slot, unsigned long s)
{
	char text[32];

	free(*slot);
	snprintf(text, sizeof(text), "%lu", (31 * s + 7) % 1000003);
	*slot = strdup(text);
}

/* A third of them sleep, which nothing may cut short; a third wait for each other; the others count. */
static void *work(void *arg)
{
	unsigned long me = (unsigned long)arg;

	for (own = 0;; own++) {
		const struct timespec pause = { .tv_nsec = 3000000 };
		struct timespec before, after;

		if (beats[me] != own)
			wrong("thread-local memory");
		if (me % 3 == 0) {
			clock_gettime(CLOCK_MONOTONIC, &before);
			if (nanosleep(&pause, NULL))
				wrong("a sleep was interrupted");
			clock_gettime(CLOCK_MONOTONIC, &after);
			if ((after.tv_sec - before.tv_sec) * 1000000000L + after.tv_nsec - before.tv_nsec < pause.tv_nsec)
				wrong("a sleep was too short");
		} else if (me % 3 == 1) {
			pthread_mutex_lock(&lock);
			pthread_cond_broadcast(&turn);
			if (pthread_cond_wait(&turn, &lock))
				wrong("a wait");
			pthread_mutex_unlock(&lock);
			usleep(500);
		} else {
			for (volatile int i = 0; i < 20000; i++)
				;
			usleep(2000);
		}
		beats[me]++;
	}
	return NULL;
}

static int ended(void)
{
	char text[4] = "";
	int fd = open("/dev/stdin", O_RDONLY);

	if (fd < 0 || read(fd, text, 3) < 0)
		wrong("standard input");
	close(fd);
	return !strcmp(text, "end") || !access("end", F_OK);
}

int main(void)
{
	unsigned long step = 0, sum = 0, before[THREADS];
	pthread_mutexattr_t recursive;

	/* One that is held and knows by whom. */
	pthread_mutexattr_init(&recursive);
	pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&held, &recursive);
	pthread_mutex_lock(&held);
	for (unsigned long i = 0; i < THREADS; i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, work, (void *)i))
			return 99;
	}
	for (;;) {
		for (int i = 0; i < 10000; i++) {
			step++;
			set(&slots[step % 1000], step);
			sum += step;
		}
		if (sum != step * (step + 1) / 2)
			wrong("the sum");
		for (unsigned long s = step - 999; s <= step; s++)
			if (strtoul(slots[s % 1000], NULL, 10) != (31 * s + 7) % 1000003)
				wrong("a slot");
		if (pthread_mutex_trylock(&held) || pthread_mutex_unlock(&held))
			wrong("a mutex that is held");
		/* All threads go on; the last one of those that wait for each other may have nobody. */
		memcpy(before, (void *)beats, sizeof(before));
		for (int i = 0; i < THREADS; i++) {
			while (beats[i] == before[i]) {
				pthread_cond_broadcast(&turn);
				usleep(100);
			}
		}
		printf("%lu %lu\n", step, sum);
		fflush(stdout);
		if (ended())
			return 7;
	}
}
C
gcc -O2 -static -pthread -o glibc count.c 2>glibc.err || broken "$(cat glibc.err)"
count_twice ./glibc
rm end
command -v musl-gcc >/dev/null || skip "needs musl-gcc for its second half; the first has passed"
musl-gcc -O2 -static -pthread -o musl count.c 2>musl.err || broken "$(cat musl.err)"
count_twice ./musl
