// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * freeze.c - a random program of up to 64 threads that checks itself, to be stopped and copied at any moment.
 *
 *   freeze SEED [dead]		an odd seed: no copy has other thread numbers
 *
 * Its threads come and go; each does one thing after the other (freeze-ops.c), and knows what must come of it. A copy
 * that goes on elsewhere says "resumed". On SIGUSR1 it says "ok", or what was wrong, and how many
 * calls were interrupted by no signal; on SIGTERM everybody comes to an end:
 * "done", and status 0. Somebody who does not is named: status 3. "dead": the first thread ends at once.
 */
#include "freeze.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_S	30

atomic_bool stop;
bool keeps_numbers;
atomic_ulong operations, interrupted;
static struct worker workers[WORKERS];
static atomic_uint wrongs;
static char first_wrong[256];
static ino_t namespace;
static pid_t number;
static unsigned int at_most;
static uint64_t seed;

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

uint64_t draw(struct worker *w, uint64_t below)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return (w->random >> 11) % below;
}

void wrong(const struct worker *w, const char *format, ...)
{
	char text[sizeof(first_wrong)];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (!atomic_fetch_add(&wrongs, 1))
		snprintf(first_wrong, sizeof(first_wrong), "%s: %.200s", w->doing, text);
}

bool is_resumed(void)
{
	struct stat st;

	return syscall(SYS_getpid) != number || stat("/proc/self/ns/pid", &st) || st.st_ino != namespace;
}

/* A thread of the program: a few operations, or many. */
static void *work(void *arg)
{
	struct worker *w = arg;

	w->tid = (pid_t)syscall(SYS_gettid);
	mine = w;
	for (uint64_t left = 1 + draw(w, 1ULL << draw(w, 8)); left && !stop; left--) {
		operate(w);
		w->done++;
		atomic_fetch_add(&operations, 1);
	}
	w->doing = "nothing";
	w->ended = true;
	return NULL;
}

/* Starts threads where others have ended. */
static void *keep(void *arg)
{
	struct worker *w = arg;

	w->doing = "keeping";
	while (!stop) {
		for (unsigned int i = 0; i < at_most; i++) {
			struct worker *next = &workers[i];

			if (next->started && !next->ended)
				continue;
			if (next->started)
				pthread_join(next->thread, NULL);
			*next = (struct worker){ .random = draw(w, ~0ULL) | 1, .doing = "beginning" };
			next->started = !pthread_create(&next->thread, NULL, work, next);
			if (!next->started && !is_resumed())
				wrong(w, "no thread: %s", strerror(errno));
		}
		nap_us(500 + draw(w, 20000));
	}
	for (unsigned int i = 0; i < at_most; i++)
		if (workers[i].started)
			pthread_join(workers[i].thread, NULL);
	return NULL;
}

static int verdict(const char *well)
{
	if (wrongs)
		printf("wrong: %u, the first: %s\n", wrongs, first_wrong);
	else
		printf("%s %lu, interrupted %lu\n", well, operations, interrupted);
	fflush(stdout);
	return wrongs ? 1 : 0;
}

/* Status at the end of the program. */
static int finish(pthread_t keeper)
{
	struct timespec end;

	stop = true;
	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += PATIENCE_S;
	if (!pthread_timedjoin_np(keeper, NULL, &end)) {
		if (!is_resumed())
			leave_nothing();
		return verdict("done");
	}
	for (unsigned int i = 0; i < at_most; i++)
		if (workers[i].started && !workers[i].ended)
			printf("stuck: thread %d: %s\n", workers[i].tid, workers[i].doing);
	verdict("done but for those");
	return 3;
}

static void *control(void *arg)
{
	static struct worker w = { .doing = "control" };
	const struct timespec often = { .tv_nsec = 10000000 };
	bool said = false;
	pthread_t keeper;
	sigset_t told;

	(void)arg;
	sigemptyset(&told);
	sigaddset(&told, SIGUSR1);
	sigaddset(&told, SIGTERM);
	w.random = seed * 0x9e3779b97f4a7c15U | 1;
	at_most = 1 + (unsigned int)draw(&w, draw(&w, 2) ? WORKERS : 8);
	if (pthread_create(&keeper, NULL, keep, &w))
		exit(99);
	printf("ready\n");
	for (;;) {
		int signo;

		fflush(stdout);
		signo = sigtimedwait(&told, NULL, &often);
		if (signo == SIGTERM)
			_exit(finish(keeper));
		if (signo == SIGUSR1)
			verdict("ok");
		if (!said && is_resumed()) {
			said = true;
			printf("resumed\n");
		}
	}
}

int main(int argc, char **argv)
{
	pthread_t t;
	struct stat st;
	sigset_t all;

	/* What it executes. */
	if (argc == 3 && !strcmp(argv[1], "exit"))
		return atoi(argv[2]);
	if (argc < 2 || stat("/proc/self/ns/pid", &st))
		return 99;
	seed = strtoull(argv[1], NULL, 0);
	keeps_numbers = seed & 1;
	namespace = st.st_ino;
	number = getpid();
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	if (prepare_operations())
		return 99;
	if (argc == 2)
		control(NULL);
	if (pthread_create(&t, NULL, control, NULL))
		return 99;
	pthread_exit(NULL);
}
