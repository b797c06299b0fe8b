// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* state-signals.c - signals and interval timers, as the parent left them. */
#include "state.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t hits, info_pid, on_altstack;

static void count(int signo)
{
	hits++;
}

static void count_info(int signo, siginfo_t *info, void *context)
{
	hits++;
	info_pid = info->si_pid;
}

/* ---- actions and mask ---- */

static void build_handlers(void)
{
	struct sigaction a = { .sa_sigaction = count_info, .sa_flags = SA_SIGINFO | SA_RESTART | SA_NODEFER };
	sigset_t mask;

	sigaddset(&a.sa_mask, SIGHUP);
	CHECK(!sigaction(SIGUSR2, &a, NULL));
	signal(SIGPIPE, SIG_IGN);
	signal(SIGRTMIN + 3, count);
	sigemptyset(&mask);
	sigaddset(&mask, SIGWINCH);
	sigaddset(&mask, SIGRTMAX);
	sigprocmask(SIG_SETMASK, &mask, NULL);
}

static void verify_handlers(void)
{
	struct sigaction a;
	sigset_t mask;

	CHECK(!sigaction(SIGUSR2, NULL, &a));
	CHECK(a.sa_sigaction == count_info);
	CHECK(a.sa_flags & SA_SIGINFO && a.sa_flags & SA_RESTART && a.sa_flags & SA_NODEFER);
	CHECK(sigismember(&a.sa_mask, SIGHUP) == 1 && !sigismember(&a.sa_mask, SIGINT));
	CHECK(!sigaction(SIGPIPE, NULL, &a));
	CHECK(a.sa_handler == SIG_IGN);
	CHECK(!sigaction(SIGTERM, NULL, &a));
	CHECK(a.sa_handler == SIG_DFL);
	sigprocmask(SIG_BLOCK, NULL, &mask);
	for (int i = 1; i <= SIGRTMAX; i++)
		CHECK(sigismember(&mask, i) <= (i == SIGWINCH || i == SIGRTMAX));
	CHECK(sigismember(&mask, SIGWINCH) && sigismember(&mask, SIGRTMAX));
	CHECK(!raise(SIGUSR2));
	CHECK_EQUAL(hits, 1);
	CHECK_EQUAL(info_pid, getpid());
	CHECK(!raise(SIGRTMIN + 3));
	CHECK_EQUAL(hits, 2);
}

/* ---- pending ---- */

static void build_pending(void)
{
	sigset_t mask;

	signal(SIGUSR1, count);
	signal(SIGRTMIN + 1, count);
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	sigaddset(&mask, SIGRTMIN + 1);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	raise(SIGUSR1);
	raise(SIGRTMIN + 1);
	CHECK_EQUAL(hits, 0);
}

static void verify_pending(void)
{
	sigset_t set;

	CHECK(!sigpending(&set));
	CHECK(sigismember(&set, SIGUSR1) && sigismember(&set, SIGRTMIN + 1) && !sigismember(&set, SIGUSR2));
	CHECK_EQUAL(hits, 0);
	sigemptyset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	CHECK_EQUAL(hits, 2);
	CHECK(!sigpending(&set));
	CHECK(!sigismember(&set, SIGUSR1));
}

/* ---- queued, with what was sent ---- */

#define QUEUED 20

static void queue(int signo, int value)
{
	union sigval v = { .sival_int = value };

	CHECK(!sigqueue(getpid(), signo, v));
}

/* Some for the process, some for the thread, of one signal and of others. */
static void build_queued(void)
{
	siginfo_t own = { .si_signo = SIGRTMIN + 2, .si_code = SI_QUEUE };
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	for (int i = 0; i < QUEUED; i++) {
		queue(SIGRTMIN + 1, 1000 + i);
		queue(SIGRTMIN + 2, 2000 + i);
	}
	own.si_pid = 4711;
	for (int i = 0; i < 3; i++) {
		own.si_value.sival_int = 3000 + i;
		CHECK(!syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGRTMIN + 2, &own));
	}
	queue(SIGUSR1, 77);
	CHECK(!kill(getpid(), SIGUSR2));
	CHECK(!raise(SIGUSR2));
}

static void take(int signo, int code, int value, int pid)
{
	const struct timespec at_once = { 0 };
	uint64_t one = 1ULL << (signo - 1);
	siginfo_t info;

	/* The C library's says that a signal of tgkill(2) was one of kill(2). */
	CHECK_EQUAL(syscall(SYS_rt_sigtimedwait, &one, &info, &at_once, 8), signo);
	CHECK_EQUAL(info.si_code, code);
	CHECK_EQUAL(info.si_pid, pid);
	if (code == SI_QUEUE)
		CHECK_EQUAL(info.si_value.sival_int, value);
}

static void verify_queued(void)
{
	const struct timespec at_once = { 0 };
	int from = state_parent_pid;
	sigset_t all;

	for (int i = 0; i < QUEUED; i++)
		take(SIGRTMIN + 1, SI_QUEUE, 1000 + i, from);
	/* The thread's own come first. */
	for (int i = 0; i < 3; i++)
		take(SIGRTMIN + 2, SI_QUEUE, 3000 + i, 4711);
	for (int i = 0; i < QUEUED; i++)
		take(SIGRTMIN + 2, SI_QUEUE, 2000 + i, from);
	take(SIGUSR1, SI_QUEUE, 77, from);
	take(SIGUSR2, SI_TKILL, 0, from);
	take(SIGUSR2, SI_USER, 0, from);
	sigfillset(&all);
	CHECK(sigtimedwait(&all, NULL, &at_once) < 0 && errno == EAGAIN);
}

/* ---- the alternative stack ---- */

static char *altstack;

static void on_alt(int signo)
{
	char here;

	on_altstack = &here > altstack && &here < altstack + 64 * 1024;
	hits++;
}

static void build_altstack(void)
{
	struct sigaction a = { .sa_handler = on_alt, .sa_flags = SA_ONSTACK };
	stack_t stack = { .ss_size = 64 * 1024 };

	altstack = map_pages(16);
	stack.ss_sp = altstack;
	CHECK(!sigaltstack(&stack, NULL));
	CHECK(!sigaction(SIGUSR1, &a, NULL));
}

static void verify_altstack(void)
{
	stack_t stack;

	CHECK(!sigaltstack(NULL, &stack));
	CHECK(stack.ss_sp == altstack && stack.ss_size == 64 * 1024 && !stack.ss_flags);
	raise(SIGUSR1);
	CHECK_EQUAL(hits, 1);
	CHECK(on_altstack);
}

/* Prepared while a handler runs on the alternative stack: see the script on --on. */

/* ---- timers ---- */

/* Hot pages, which the restorer has in its memory: the more, the longer it takes to give that back. */
static char *storm_pages[60];

static void build_storm(void)
{
	struct itimerval fast = { { 0, 50 }, { 0, 50 } };

	for (size_t i = 0; i < sizeof(storm_pages) / sizeof(storm_pages[0]); i++) {
		/* Areas of their own: a small one travels whole. */
		char *p = map_pages(6);

		CHECK(!munmap(p, PAGE) && !munmap(p + 5 * PAGE, PAGE));
		storm_pages[i] = p + PAGE;
		fill(storm_pages[i], 4 * PAGE, i);
	}
	signal(SIGALRM, count);
	signal(SIGPROF, count);
	CHECK(!setitimer(ITIMER_REAL, &fast, NULL));
	CHECK(!setitimer(ITIMER_PROF, &fast, NULL));
}

static void after_storm(void)
{
	struct itimerval none = { 0 };

	CHECK(!setitimer(ITIMER_REAL, &none, NULL));
	CHECK(!setitimer(ITIMER_PROF, &none, NULL));
}

static void verify_storm(void)
{
	int before = hits;

	for (size_t i = 0; i < sizeof(storm_pages) / sizeof(storm_pages[0]); i++)
		CHECK_FILLED(storm_pages[i], 4 * PAGE, i);
	while (hits < before + 100)
		pause();
	after_storm();
}

static void build_timers_off(void)
{
	const struct itimerval off = { .it_interval = { 0, 5000 } };

	CHECK(!setitimer(ITIMER_PROF, &off, NULL));
	CHECK(!setitimer(ITIMER_VIRTUAL, &off, NULL));
}

/* SIGPROF and SIGVTALRM would end it. */
static void verify_timers_off(void)
{
	struct itimerval is;
	struct timespec used;

	do {
		CHECK(!clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used));
	} while (used.tv_nsec < 100000000 && !used.tv_sec);
	CHECK(!getitimer(ITIMER_PROF, &is));
	CHECK(!is.it_value.tv_sec && !is.it_value.tv_usec);
}

static void build_timers(void)
{
	struct itimerval slow = { { 3600, 0 }, { 1800, 0 } }, fast = { { 0, 20000 }, { 0, 300000 } };
	struct itimerval virtual = { { 7, 0 }, { 5000, 0 } };

	signal(SIGALRM, count);
	CHECK(!setitimer(ITIMER_REAL, &fast, NULL));
	CHECK(!setitimer(ITIMER_VIRTUAL, &virtual, NULL));
	CHECK(!setitimer(ITIMER_PROF, &slow, NULL));
}

static void after_timers(void)
{
	struct itimerval none = { 0 };

	setitimer(ITIMER_REAL, &none, NULL);
}

static void verify_timers(void)
{
	struct itimerval now;

	CHECK(!getitimer(ITIMER_REAL, &now));
	CHECK_EQUAL(now.it_interval.tv_usec, 20000);
	CHECK(!getitimer(ITIMER_VIRTUAL, &now));
	CHECK_EQUAL(now.it_interval.tv_sec, 7);
	CHECK(now.it_value.tv_sec > 4000 && now.it_value.tv_sec <= 5000);
	CHECK(!getitimer(ITIMER_PROF, &now));
	CHECK_EQUAL(now.it_interval.tv_sec, 3600);
	CHECK(now.it_value.tv_sec > 1700 && now.it_value.tv_sec <= 1800);
	while (hits < 3)
		pause();
}

const struct state signal_states[] = {
	{ "handlers", "signal actions and mask",
	  build_handlers, NULL, verify_handlers },
	{ "pending", "pending signals",
	  build_pending, NULL, verify_pending },
	{ "queued", "pending signals with what was sent with them, for the thread and for the process",
	  build_queued, verify_queued, verify_queued },
	{ "altstack", "the alternative signal stack",
	  build_altstack, NULL, verify_altstack },
	{ "storm", "signals that come as soon as a timer runs, long before the restorer's memory is gone",
	  build_storm, after_storm, verify_storm },
	{ "timers-off", "interval timers that are off, and keep their intervals",
	  build_timers_off, NULL, verify_timers_off },
	{ "timers", "interval timers",
	  build_timers, after_timers, verify_timers },
	{ 0 },
};
