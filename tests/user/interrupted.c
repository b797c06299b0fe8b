// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * interrupted.c - threads that wait in calls which a stop must not disturb. Each counts what it sees: EINTR, and calls
 * that end before their time. One has a stack as small as a goroutine's, with something else below. On SIGUSR1 one
 * line tells: "calls N eintr N early N trampled N dispatched N".
 *
 * interrupted [dispatch]: calls of the first thread that are made by the vDSO are signals (prctl(2)).
 */
#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define WAIT_MS 120

#define SMALL 1024

static atomic_ulong calls, eintr, early, trampled;
static int event, semaphore, pair[2];

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

enum { EPOLL_WAIT, EPOLL_PWAIT, FUTEX, NANOSLEEP, CLOCK_NANOSLEEP, POLL, PPOLL, PSELECT, SIGTIMEDWAIT, SEMTIMEDOP, RECV, ON_SMALL_STACK, KINDS };

static ucontext_t big, small;
static long small_ret;
static int small_errno;

static void wait_on_small_stack(void)
{
	struct timespec t = { .tv_nsec = WAIT_MS * 1000000 };

	small_ret = syscall(SYS_ppoll, NULL, 0, &t, NULL, 0);
	small_errno = errno;
}

/* All of it is another's but the last bytes. */
static long on_small_stack(void)
{
	static unsigned char memory[64 * SMALL];

	memset(memory, 0x5a, sizeof(memory));
	getcontext(&small);
	small.uc_stack.ss_sp = memory + sizeof(memory) - SMALL;
	small.uc_stack.ss_size = SMALL;
	small.uc_link = &big;
	makecontext(&small, wait_on_small_stack, 0);
	swapcontext(&big, &small);
	for (size_t i = 0; i < sizeof(memory) - SMALL; i++)
		if (memory[i] != 0x5a) {
			atomic_fetch_add(&trampled, 1);
			break;
		}
	errno = small_errno;
	return small_ret;
}

static long wait_in(int kind, int epoll)
{
	struct timespec t = { .tv_nsec = WAIT_MS * 1000000 };
	struct pollfd p = { .fd = event, .events = POLLIN };
	struct sembuf take = { .sem_op = -1 };
	struct epoll_event e;
	uint32_t word = 0;
	sigset_t one, both;
	char c;

	sigemptyset(&one);
	sigaddset(&one, SIGUSR2);
	/* What the first thread waits for shall wake nobody else. */
	both = one;
	sigaddset(&both, SIGUSR1);
	switch (kind) {
	case EPOLL_WAIT:
		return epoll_wait(epoll, &e, 1, WAIT_MS);
	case EPOLL_PWAIT:
		return epoll_pwait(epoll, &e, 1, WAIT_MS, &both);
	case FUTEX:
		return syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &t);
	case NANOSLEEP:
		return syscall(SYS_nanosleep, &t, NULL);
	case CLOCK_NANOSLEEP:
		return syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &t, NULL);
	case POLL:
		return poll(&p, 1, WAIT_MS);
	case PPOLL:
		return ppoll(&p, 1, &t, NULL);
	case PSELECT:
		return pselect(0, NULL, NULL, NULL, &t, NULL);
	case SIGTIMEDWAIT:
		return sigtimedwait(&one, NULL, &t);
	case SEMTIMEDOP:
		return semtimedop(semaphore, &take, 1, &t);
	case RECV:
		return recv(pair[0], &c, 1, 0);
	case ON_SMALL_STACK:
		return on_small_stack();
	}
	return 0;
}

static void *run(void *arg)
{
	int kind = (int)(intptr_t)arg, epoll = epoll_create1(0);

	for (;;) {
		uint64_t began = now_ns();
		long ret = wait_in(kind, epoll);

		if (ret < 0 && errno == EINTR)
			atomic_fetch_add(&eintr, 1);
		/* Clocks are kept in ticks, and a time limit of a socket in jiffies. */
		else if (now_ns() - began < (WAIT_MS - 5) * 1000000ULL)
			atomic_fetch_add(&early, 1);
		atomic_fetch_add(&calls, 1);
	}
	return NULL;
}

static atomic_ulong dispatched;

static void on_dispatch(int signo)
{
	atomic_fetch_add(&dispatched, 1);
}

/* All that is called from below the vDSO goes to the kernel; false: there is no such thing here. */
static bool dispatch_calls(void)
{
	static char selector = 1;	/* SYSCALL_DISPATCH_FILTER_BLOCK */
	const int set_dispatch = 59;	/* PR_SET_SYSCALL_USER_DISPATCH, Linux 5.11 */

	signal(SIGSYS, on_dispatch);
	return !prctl(set_dispatch, 1, 4096, getauxval(AT_SYSINFO_EHDR) - 4096, &selector);
}

int main(int argc, char **argv)
{
	struct timeval limit = { .tv_usec = WAIT_MS * 1000 };
	sigset_t told;
	pthread_t t;

	/* Known from now on: to find a function takes more than that stack has. */
	syscall(SYS_gettid);
	errno = 0;
	event = eventfd(0, 0);
	semaphore = semget(IPC_PRIVATE, 1, 0600);
	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	sigemptyset(&told);
	sigaddset(&told, SIGUSR1);
	sigaddset(&told, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &told, NULL);
	for (intptr_t i = 0; i < KINDS; i++)
		if (pthread_create(&t, NULL, run, (void *)i))
			return 1;
	sigdelset(&told, SIGUSR2);
	if (argc > 1 && !dispatch_calls())
		return 77;
	printf("waiting\n");
	for (;;) {
		int signo;

		fflush(stdout);
		sigwait(&told, &signo);
		printf("calls %lu eintr %lu early %lu trampled %lu dispatched %lu\n", calls, eintr, early, trampled,
		       dispatched);
	}
}
