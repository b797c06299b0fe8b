// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* state-numbers.c - what goes by the numbers of a process and its threads. */
#include "state.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define THREADS	3

static struct {
	pthread_t thread;
	pid_t tid;
	int told;			/* futex-like: how often it was signalled */
	int robust_ended;
} workers[THREADS];
static pthread_mutex_t recursive, checking, robust, theirs;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t change = PTHREAD_COND_INITIALIZER;
static int ready, stage;
static pid_t process;

/* A child without its parent's numbers is another case, which the program cannot be right in. */
static void need_same(void)
{
	if (getpid() != process)
		skipped("no namespace of process ids can be made here");
}

static void on_signal(int signo)
{
	pid_t tid = gettid();

	(void)signo;
	for (int i = 0; i < THREADS; i++)
		if (workers[i].tid == tid)
			__atomic_add_fetch(&workers[i].told, 1, __ATOMIC_RELEASE);
}

static void await_stage(int wanted)
{
	pthread_mutex_lock(&lock);
	while (stage < wanted)
		pthread_cond_wait(&change, &lock);
	pthread_mutex_unlock(&lock);
}

static void set_stage(int to)
{
	pthread_mutex_lock(&lock);
	stage = to;
	pthread_cond_broadcast(&change);
	pthread_mutex_unlock(&lock);
}

static void *work(void *arg)
{
	int i = (int)(intptr_t)arg;
	char name[16];

	workers[i].tid = gettid();
	snprintf(name, sizeof(name), "worker %d", i);
	CHECK(!prctl(PR_SET_NAME, name));
	if (i == 0)
		pthread_mutex_lock(&theirs);
	if (i == 1)
		pthread_mutex_lock(&robust);
	pthread_mutex_lock(&lock);
	ready++;
	pthread_cond_broadcast(&change);
	pthread_mutex_unlock(&lock);
	if (i == 2)
		for (;;)
			pause();	/* until it is cancelled */
	await_stage(1);
	/* Held across the snapshot, by this thread. */
	if (i == 0) {
		CHECK_EQUAL(pthread_mutex_lock(&theirs), 0);
		CHECK_EQUAL(pthread_mutex_unlock(&theirs), 0);
		CHECK_EQUAL(pthread_mutex_unlock(&theirs), 0);
	}
	/* The other ends with its own held, which the kernel finds in its robust list. */
	return arg;
}

static void make_mutex(pthread_mutex_t *mutex, int type, int robustness)
{
	pthread_mutexattr_t a;

	pthread_mutexattr_init(&a);
	pthread_mutexattr_settype(&a, type);
	pthread_mutexattr_setrobust(&a, robustness);
	CHECK(!pthread_mutex_init(mutex, &a));
}

static void build_numbers(void)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	process = getpid();
	sigaction(SIGUSR2, &action, NULL);
	make_mutex(&recursive, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_STALLED);
	make_mutex(&theirs, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_STALLED);
	make_mutex(&checking, PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_STALLED);
	make_mutex(&robust, PTHREAD_MUTEX_ERRORCHECK, PTHREAD_MUTEX_ROBUST);
	CHECK(!pthread_mutex_lock(&recursive));
	CHECK(!pthread_mutex_lock(&checking));
	for (int i = 0; i < THREADS; i++)
		CHECK(!pthread_create(&workers[i].thread, NULL, work, (void *)(intptr_t)i));
	pthread_mutex_lock(&lock);
	while (ready < THREADS)
		pthread_cond_wait(&change, &lock);
	pthread_mutex_unlock(&lock);
}

/* Each thread by the number that it has had from the start, as Go's runtime does it. */
static void signal_all(void)
{
	const struct timespec moment = { 0, 1000000 };

	for (int i = 0; i < THREADS; i++)
		CHECK(!syscall(SYS_tgkill, getpid(), workers[i].tid, SIGUSR2));
	for (int i = 0; i < THREADS; i++)
		CHECK(!pthread_kill(workers[i].thread, SIGUSR2));
	for (int i = 0; i < THREADS; i++)
		for (int tries = 0; __atomic_load_n(&workers[i].told, __ATOMIC_ACQUIRE) < 1; tries++) {
			CHECK(tries < 10000);
			nanosleep(&moment, NULL);
		}
}

static void check_proc(void)
{
	char link[32];
	ssize_t n;

	n = readlink("/proc/self", link, sizeof(link) - 1);
	CHECK(n > 0);
	link[n] = '\0';
	CHECK_EQUAL(atoi(link), process);
	for (int i = 0; i < THREADS; i++) {
		char path[48], name[16] = "", expected[16];
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", process, workers[i].tid);
		f = fopen(path, "re");
		if (!f)
			FAIL("there is no %s", path);
		CHECK(fgets(name, sizeof(name), f));
		fclose(f);
		snprintf(expected, sizeof(expected), "worker %d\n", i);
		if (strcmp(name, expected))
			FAIL("thread %d is called %s", workers[i].tid, name);
	}
}

static void verify_numbers(void)
{
	void *result;

	need_same();
	CHECK_EQUAL(gettid(), process);
	check_proc();
	signal_all();
	/* Held by this thread, twice now. */
	CHECK_EQUAL(pthread_mutex_lock(&recursive), 0);
	CHECK_EQUAL(pthread_mutex_unlock(&recursive), 0);
	CHECK_EQUAL(pthread_mutex_unlock(&recursive), 0);
	CHECK_EQUAL(pthread_mutex_lock(&checking), EDEADLK);
	CHECK_EQUAL(pthread_mutex_unlock(&checking), 0);
	CHECK_EQUAL(pthread_mutex_unlock(&checking), EPERM);
	CHECK_EQUAL(pthread_mutex_trylock(&theirs), EBUSY);
	set_stage(1);
	CHECK_EQUAL(pthread_join(workers[0].thread, &result), 0);
	CHECK_EQUAL(pthread_mutex_lock(&theirs), 0);
	CHECK_EQUAL(pthread_mutex_unlock(&theirs), 0);
	CHECK_EQUAL(pthread_join(workers[1].thread, &result), 0);
	CHECK_EQUAL((uintptr_t)result, 1);
	CHECK_EQUAL(pthread_mutex_lock(&robust), EOWNERDEAD);
	CHECK_EQUAL(pthread_mutex_consistent(&robust), 0);
	CHECK_EQUAL(pthread_mutex_unlock(&robust), 0);
	CHECK_EQUAL(pthread_cancel(workers[2].thread), 0);
	CHECK_EQUAL(pthread_join(workers[2].thread, &result), 0);
	CHECK(result == PTHREAD_CANCELED);
	/* Who is waited for has still to leave the kernel. */
	while (!syscall(SYS_tgkill, getpid(), workers[2].tid, 0))
		sched_yield();
	CHECK_EQUAL(errno, ESRCH);
}

/* ---- timers of timer_create(2) ---- */

#define IDS	5

static timer_t ids[IDS];
static int rang[IDS], thread_rang;
static pthread_t listener;
static pid_t listener_tid;

static void on_timer(int signo, siginfo_t *info, void *context)
{
	int which = info->si_value.sival_int;

	(void)signo;
	(void)context;
	if (which >= 0 && which < IDS)
		__atomic_add_fetch(&rang[which], 1, __ATOMIC_RELEASE);
}

static void *listen_for(void *arg)
{
	sigset_t one;
	siginfo_t info;

	__atomic_store_n(&listener_tid, gettid(), __ATOMIC_RELEASE);
	sigemptyset(&one);
	sigaddset(&one, SIGRTMIN + 3);
	for (;;)
		if (sigwaitinfo(&one, &info) == SIGRTMIN + 3 && info.si_value.sival_ptr == &ids)
			__atomic_add_fetch(&thread_rang, 1, __ATOMIC_RELEASE);
	return arg;
}

static timer_t create(clockid_t clock, int which, bool silent)
{
	struct sigevent e = {
		.sigev_notify = silent ? SIGEV_NONE : SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 2,
		.sigev_value.sival_int = which,
	};
	timer_t t;

	CHECK(!timer_create(clock, &e, &t));
	return t;
}

static void set(timer_t t, int seconds, int interval_ms)
{
	struct itimerspec spec = {
		.it_value = { seconds, seconds ? 0 : 1000000 },
		.it_interval = { interval_ms / 1000, interval_ms % 1000 * 1000000 },
	};

	CHECK(!timer_settime(t, 0, &spec, NULL));
}

static void build_posix_timers(void)
{
	struct sigaction action = { .sa_sigaction = on_timer, .sa_flags = SA_SIGINFO | SA_RESTART };
	timer_t gone;

	sigaction(SIGRTMIN + 2, &action, NULL);
	/* Ids that are not one after the other. */
	ids[0] = create(CLOCK_MONOTONIC, 0, false);
	for (int i = 0; i < 40; i++) {
		gone = create(CLOCK_MONOTONIC, 0, true);
		CHECK(!timer_delete(gone));
	}
	ids[1] = create(CLOCK_REALTIME, 1, false);
	ids[2] = create(CLOCK_MONOTONIC, 2, true);
	ids[3] = create(CLOCK_BOOTTIME, 3, false);
	set(ids[0], 0, 10);
	set(ids[1], 1000, 7000);
	set(ids[2], 2000, 0);
}

static void verify_posix_timers(void)
{
	const struct timespec moment = { 0, 1000000 };
	struct itimerspec spec;
	timer_t t;
	int before = __atomic_load_n(&rang[0], __ATOMIC_ACQUIRE);

	for (int tries = 0; __atomic_load_n(&rang[0], __ATOMIC_ACQUIRE) < before + 3; tries++) {
		CHECK(tries < 20000);
		nanosleep(&moment, NULL);
	}
	CHECK(!timer_gettime(ids[0], &spec));
	CHECK_EQUAL(spec.it_interval.tv_nsec, 10000000);
	CHECK(!timer_gettime(ids[1], &spec));
	CHECK(spec.it_value.tv_sec > 900 && spec.it_value.tv_sec <= 1000 && spec.it_interval.tv_sec == 7);
	CHECK(!timer_gettime(ids[2], &spec));
	CHECK(spec.it_value.tv_sec > 1900 && spec.it_value.tv_sec <= 2000);
	CHECK(!timer_gettime(ids[3], &spec));
	CHECK(!spec.it_value.tv_sec && !spec.it_value.tv_nsec);
	set(ids[3], 0, 0);
	for (int tries = 0; !__atomic_load_n(&rang[3], __ATOMIC_ACQUIRE); tries++) {
		CHECK(tries < 20000);
		nanosleep(&moment, NULL);
	}
	CHECK_EQUAL(rang[1] + rang[2], 0);
	/* A new one gets an id of its own. */
	t = create(CLOCK_MONOTONIC, 4, true);
	for (int i = 0; i < 4; i++)
		CHECK(t != ids[i]);
	for (int i = 0; i < 4; i++)
		CHECK(!timer_delete(ids[i]));
}

/* ---- threads that are scheduled apart ---- */

static int done;

static void *run_apart(void *arg)
{
	const struct timespec moment = { 0, 1000000 };

	CHECK(!setpriority(PRIO_PROCESS, (id_t)gettid(), arg ? 5 : getpriority(PRIO_PROCESS, 0)));
	__atomic_add_fetch(&done, 1, __ATOMIC_RELEASE);
	for (;;)
		nanosleep(&moment, NULL);
	return NULL;
}

static void build_threads_apart(void)
{
	const struct timespec moment = { 0, 1000000 };
	pthread_t t;

	for (intptr_t i = 0; i < 3; i++)
		CHECK(!pthread_create(&t, NULL, run_apart, (void *)i));
	while (__atomic_load_n(&done, __ATOMIC_ACQUIRE) < 3)
		nanosleep(&moment, NULL);
}

static void verify_threads_apart(void)
{
}

/* One that is for a thread, whatever its number is in the child. */
static void build_thread_timer(void)
{
	struct sigevent e = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN + 3, .sigev_value.sival_ptr = &ids };
	const struct timespec moment = { 0, 1000000 };
	sigset_t one;

	sigemptyset(&one);
	sigaddset(&one, SIGRTMIN + 3);
	pthread_sigmask(SIG_BLOCK, &one, NULL);
	CHECK(!pthread_create(&listener, NULL, listen_for, NULL));
	while (!__atomic_load_n(&listener_tid, __ATOMIC_ACQUIRE))
		nanosleep(&moment, NULL);
	e._sigev_un._tid = listener_tid;
	CHECK(!timer_create(CLOCK_MONOTONIC, &e, &ids[0]));
	set(ids[0], 0, 10);
}

static void verify_thread_timer(void)
{
	const struct timespec moment = { 0, 1000000 };
	int before = __atomic_load_n(&thread_rang, __ATOMIC_ACQUIRE);

	for (int tries = 0; __atomic_load_n(&thread_rang, __ATOMIC_ACQUIRE) < before + 3; tries++) {
		CHECK(tries < 20000);
		nanosleep(&moment, NULL);
	}
}

const struct state number_states[] = {
	{ "numbers", "threads and locks that go by thread numbers",
	  build_numbers, NULL, verify_numbers },
	{ "posix-timers", "timers of timer_create, with their ids",
	  build_posix_timers, NULL, verify_posix_timers },
	{ "threads-apart", "threads that are scheduled apart from the first one",
	  build_threads_apart, NULL, verify_threads_apart },
	{ "thread-timer", "a timer that signals a thread",
	  build_thread_timer, NULL, verify_thread_timer },
	{ 0 },
};
