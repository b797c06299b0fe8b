// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * hooks.c - a parent with functions that run before and after it is prepared, and in its children, which say what ran, on
 * which stack, and what they know of themselves.
 *
 *	hooks self|outside [threads|gone] [altstack] [own]
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mitosis.h"

static char order[64], stack[1 << 16];
static bool on_stack, blocked;
static int own_signals;

static void note(void *data)
{
	strcat(order, data);
}

static void note_resume(void *data)
{
	sigset_t mask;
	char here;

	on_stack = &here >= stack && &here < stack + sizeof(stack);
	sigprocmask(SIG_BLOCK, NULL, &mask);
	blocked = sigismember(&mask, SIGTERM);
	errno = EXDEV;
	strcat(order, data);
}

static void on_own(int signo)
{
	(void)signo;
	own_signals++;
}

static bool has(int argc, char **argv, const char *word)
{
	for (int i = 2; i < argc; i++)
		if (!strcmp(argv[i], word))
			return true;
	return false;
}

static void fail(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	exit(1);
}

static void report(const char *who)
{
	const char *variable = getenv("MITOSIS_CHILD");
	struct sigaction action;
	sigset_t mask;

	sigaction(SIGRTMAX, NULL, &action);
	sigprocmask(SIG_BLOCK, NULL, &mask);
	printf("%s %u %s %s%s%s own=%d%s%s\n", who, mitosis_child_number(), variable ? variable : "-", order,
	       on_stack ? " on-stack" : "", blocked ? " blocked" : "", own_signals,
	       action.sa_handler == (own_signals ? on_own : SIG_DFL) ? "" : " another-action",
	       sigismember(&mask, SIGTERM) ? " still-blocked" : "");
	fflush(stdout);
}

static void *idle(void *data)
{
	for (;;)
		pause();
	return data;
}

/* Blocks until there is an end, or a byte; a call that is interrupted for nothing is an error. */
static void wait_outside(bool own)
{
	struct pollfd p = { .fd = 0, .events = POLLIN };
	char byte;

	puts("waiting");
	fflush(stdout);
	/* It waits without a limit, in the parent; a child has an end to read there. */
	if (poll(&p, 1, -1) != 1 || read(0, &byte, 1) < 0)
		fail("interrupted");
	if (own) {
		sigset_t mask;

		/* What the program had pending is delivered to its own handler. */
		sigemptyset(&mask);
		sigprocmask(SIG_SETMASK, &mask, NULL);
	}
}

static bool own;
static void *rest(void *data)
{
	int status;

	wait_outside(own);
	report("is");
	/* Who it forks has the same number. */
	if (mitosis_child_number() && !fork()) {
		report("fork");
		_exit(0);
	}
	wait(&status);
	exit(0);
	return data;
}

int main(int argc, char **argv)
{
	stack_t alternate = { .ss_sp = stack, .ss_size = sizeof(stack) };
	bool outside = argc > 1 && !strcmp(argv[1], "outside");
	char ref[MITOSIS_REF_MAX], byte;
	pthread_t thread;
	int ret;

	own = has(argc, argv, "own");
	if (mitosis_at_resume(note_resume, "r") || mitosis_at_resume(note_resume, "R") ||
	    mitosis_at_prepare(note, note, "1") || mitosis_at_prepare(note, NULL, "2") ||
	    mitosis_at_prepare(NULL, note, "3") || mitosis_at_prepare(NULL, NULL, "4") != -EINVAL)
		fail("registration");
	if (has(argc, argv, "altstack") && sigaltstack(&alternate, NULL))
		fail("sigaltstack");
	if (own) {
		sigset_t mask;

		signal(SIGRTMAX, on_own);
		sigemptyset(&mask);
		sigaddset(&mask, SIGRTMAX);
		sigprocmask(SIG_BLOCK, &mask, NULL);
		for (int i = 0; i < 3; i++)
			raise(SIGRTMAX);
	}
	if (has(argc, argv, "threads") && pthread_create(&thread, NULL, idle, NULL))
		fail("thread");
	if (has(argc, argv, "gone")) {
		if (pthread_create(&thread, NULL, rest, NULL))
			fail("thread");
		pthread_exit(NULL);
	}
	if (outside)
		rest(NULL);
	/* They run where there is no snapshot, too. */
	if (mitosis_prepare(&(struct mitosis_prepare_args){ .size = 1 }, ref) != -EINVAL || strcmp(order, "2113"))
		fail(order);
	order[0] = '\0';
	ret = mitosis_prepare(NULL, ref);
	if (ret < 0)
		fail("prepare");
	if (ret) {
		report("is");
		return 0;
	}
	report("parent");
	puts(ref);
	fflush(stdout);
	return read(0, &byte, 1) < 0;
}
