// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * freeze-ops.c - what the random program's threads do, each with what must come of it. A copy may lack what no copy has:
 * child processes, and pipes that a child process had too; and what it forks before it has all of its memory is killed.
 */
#include "freeze.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SIG_TICK	SIGRTMIN	/* at 1 kHz */
#define SIG_VALUE	(SIGRTMIN + 1)
#define FILE_WORDS	65536u
#define MARGIN_MS	5		/* clocks are kept in ticks */

__thread struct worker *mine;
static int event, semaphore, numbers;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t strict = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
static volatile uint64_t pair[2];
static char *exe;

/* ---- calls that sleep ---- */

void nap_us(uint64_t us)
{
	struct timespec t = { .tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000 * 1000) };

	while (nanosleep(&t, &t) && errno == EINTR)
		;
}

static const char *const names[] = { "epoll_wait", "epoll_pwait", "futex", "nanosleep", "clock_nanosleep", "until", "poll",
				     "ppoll", "select", "pselect", "sigtimedwait", "semtimedop", "condition" };

static long wait_in(unsigned int kind, long ms, int epoll)
{
	struct timespec t = { .tv_nsec = ms * 1000000 };
	struct timeval v = { .tv_usec = ms * 1000 };
	struct pollfd p = { .fd = event, .events = POLLIN };
	struct sembuf take = { .sem_op = -1 };
	struct epoll_event e;
	uint32_t word = 0;
	uint64_t until;
	sigset_t one, all;

	sigfillset(&all);
	sigemptyset(&one);
	sigaddset(&one, SIGUSR2);
	switch (kind) {
	case 0:
		return epoll_wait(epoll, &e, 1, (int)ms);
	case 1:
		return epoll_pwait(epoll, &e, 1, (int)ms, &all);
	case 2:
		return syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &t);
	case 3:
		return syscall(SYS_nanosleep, &t, NULL);
	case 4:
		return syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &t, NULL);
	case 5:
		until = now_ns() + (uint64_t)ms * 1000000;
		t = (struct timespec){ (time_t)(until / 1000000000), (long)(until % 1000000000) };
		return syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
	case 6:
		return poll(&p, 1, (int)ms);
	case 7:
		return ppoll(&p, 1, &t, &all);
	case 8:
		return select(0, NULL, NULL, NULL, &v);
	case 9:
		return pselect(0, NULL, NULL, NULL, &t, &all);
	case 10:
		return sigtimedwait(&one, NULL, &t);
	case 11:
		return semtimedop(semaphore, &take, 1, &t);
	}
	return syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, 1, NULL, NULL, ~0U) < 0 && errno == EAGAIN ?
		       syscall(SYS_nanosleep, &t, NULL) : 0;
}

/* It blocks all signals: nothing may end the call before its time. */
static void sleeps(struct worker *w)
{
	unsigned int kind = (unsigned int)draw(w, sizeof(names) / sizeof(names[0]));
	long ms = 1 + (long)draw(w, 1ULL << draw(w, 8)), ret;
	int epoll = kind < 2 ? epoll_create1(EPOLL_CLOEXEC) : -1, err;
	uint64_t began = now_ns(), took;

	w->doing = names[kind];
	ret = wait_in(kind, ms, epoll);
	err = ret < 0 ? errno : 0;
	took = now_ns() - began;
	if (err == EINTR)
		atomic_fetch_add(&interrupted, 1);
	else if (ret > 0)
		wrong(w, "it returned %ld", ret);
	/* A semaphore is not the copy's once its parent is gone, and an epoll was half made. */
	else if ((!err || err == ETIMEDOUT || err == EAGAIN) && took + MARGIN_MS * 1000000 < (uint64_t)ms * 1000000)
		wrong(w, "it ended after %lu us of %ld ms (%s)", took / 1000, ms, strerror(err));
	else if (err && err != ETIMEDOUT && err != EAGAIN && !is_resumed())
		wrong(w, "%s", strerror(err));
	if (epoll >= 0)
		close(epoll);
}

/* ---- registers and memory ---- */

static uint64_t rounds(uint64_t x, uint64_t count)
{
	while (count--)
		x = x * 6364136223846793005U + 1442695040888963407U;
	return x;
}

static void computes(struct worker *w)
{
	uint64_t x = draw(w, ~0ULL), count = 1000 + draw(w, 200000), a, b;
	double sum = 0, begin = (double)draw(w, 1000), again = 0;

	w->doing = "computing";
	a = rounds(x, count);
	for (uint64_t i = 0; i < count; i++)
		sum += begin * (double)(i & 15);
	for (uint64_t i = 0; i < count; i++)
		again += begin * (double)(i & 15);
	b = rounds(x, count);
	if (a != b || sum < again || sum > again)
		wrong(w, "%lx is not %lx, or %f not %f", a, b, sum, again);
}

/* A call in the midst of registers that all hold something. */
static void holds_registers(struct worker *w)
{
#ifdef __x86_64__
	struct timespec t = { .tv_nsec = 1 + (long)draw(w, 3000000) };
	uint64_t x = draw(w, ~0ULL), differ, differs_wide, wide[2] = { x, ~x };
	long ret = SYS_nanosleep;

	w->doing = "holding registers";
	__asm__ volatile("movdqu %[wide], %%xmm7\n\tmovdqu %[wide], %%xmm15\n\t"
			 "mov %[x], %%rbx\n\tmov %[x], %%r12\n\tmov %[x], %%r13\n\tmov %[x], %%r8\n\tmov %[x], %%r10\n\t"
			 "xor %%esi, %%esi\n\tsyscall\n\t"
			 "xor %%rbx, %%r12\n\txor %%rbx, %%r13\n\txor %%rbx, %%r8\n\txor %%rbx, %%r10\n\t"
			 "or %%r12, %%r13\n\tor %%r13, %%r8\n\tor %%r8, %%r10\n\tor %%rsi, %%r10\n\t"
			 "xor %[x], %%rbx\n\tor %%rbx, %%r10\n\t"
			 "pxor %%xmm7, %%xmm15\n\tmovq %%xmm15, %%r8\n\tmovq %%xmm7, %%r12\n\txor %[x], %%r12\n\tor %%r12, %%r8\n\t"
			 "mov %%r10, %[differ]\n\tmov %%r8, %[differs_wide]"
			 : "+a"(ret), [differ] "=m"(differ), [differs_wide] "=m"(differs_wide)
			 : "D"(&t), [x] "r"(x), [wide] "m"(wide)
			 : "rbx", "r8", "r10", "r12", "r13", "rsi", "rcx", "r11", "xmm7", "xmm15", "memory", "cc");
	if (ret || differ || differs_wide)
		wrong(w, "nanosleep returned %ld; registers differ by %lx, wide ones by %lx", ret, differ, differs_wide);
#else
	computes(w);
#endif
}

static void maps(struct worker *w)
{
	size_t pages = 1 + draw(w, 64), more = pages + draw(w, 64), size = (size_t)sysconf(_SC_PAGESIZE);
	uint64_t x = draw(w, ~0ULL);
	uint64_t *p = mmap(NULL, pages * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	w->doing = "mapping";
	if (p == MAP_FAILED) {
		wrong(w, "no memory: %s", strerror(errno));
		return;
	}
	for (size_t i = 0; i < pages; i++)
		p[i * size / 8] = x + i;
	if (draw(w, 2))
		mprotect(p, pages * size, PROT_READ);
	if (draw(w, 2)) {
		void *moved = mremap(p, pages * size, more * size, MREMAP_MAYMOVE);

		if (moved == MAP_FAILED)
			more = pages;
		else
			p = moved;
	} else {
		more = pages;
	}
	if (draw(w, 3) == 0)
		nap_us(draw(w, 3000));
	for (size_t i = 0; i < pages; i++)
		if (p[i * size / 8] != x + i)
			wrong(w, "page %zu of %zu has %lx instead of %lx", i, pages, p[i * size / 8], x + i);
	for (size_t i = pages; i < more; i++)
		if (p[i * size / 8])
			wrong(w, "page %zu of %zu is not empty", i, more);
	if (munmap(p, more * size))
		wrong(w, "munmap: %s", strerror(errno));
}

static void allocates(struct worker *w)
{
	unsigned char *kept[16], byte[16];
	size_t size[16];

	w->doing = "allocating";
	for (unsigned int i = 0; i < 16; i++) {
		size[i] = 1 + draw(w, 1ULL << draw(w, 18));
		byte[i] = (unsigned char)draw(w, 256);
		kept[i] = malloc(size[i]);
		if (kept[i])
			memset(kept[i], byte[i], size[i]);
	}
	for (unsigned int i = 0; i < 16; i++) {
		for (size_t at = 0; kept[i] && at < size[i]; at += 64)
			if (kept[i][at] != byte[i])
				wrong(w, "byte %zu is %d instead of %d", at, kept[i][at], byte[i]);
		free(kept[i]);
	}
}

/* ---- what threads share ---- */

static void locks(struct worker *w)
{
	w->doing = "locking";
	for (uint64_t left = 1 + draw(w, 50); left; left--) {
		/* A copy with new thread numbers holds it in vain. */
		bool checks = keeps_numbers && draw(w, 2);
		int err;

		pthread_mutex_lock(&lock);
		if (checks && (err = pthread_mutex_lock(&strict)))
			wrong(w, "lock: %s", strerror(err));
		pair[0]++;
		if (!draw(w, 40))
			nap_us(draw(w, 2000));
		pair[1]++;
		if (pair[0] != pair[1])
			wrong(w, "%lu and %lu", pair[0], pair[1]);
		if (checks && (err = pthread_mutex_unlock(&strict)))
			wrong(w, "unlock: %s", strerror(err));
		pthread_mutex_unlock(&lock);
	}
}

struct writer {
	int fd;
	uint64_t begin, count;
};

static void *write_numbers(void *arg)
{
	const struct writer *a = arg;
	long failed = 0;

	for (uint64_t i = 0; i < a->count && !failed; i++) {
		uint64_t n = a->begin + i;

		if (write(a->fd, &n, sizeof(n)) != sizeof(n))
			failed = errno;
	}
	close(a->fd);
	return (void *)failed;
}

/* A thread of its own writes into a pipe what this one reads. */
static void pipes(struct worker *w)
{
	struct writer a = { .begin = draw(w, ~0ULL), .count = 1 + draw(w, 2000) };
	uint64_t n, have = 0;
	pthread_t writer;
	void *failed;
	ssize_t got;
	int ends[2];

	w->doing = "a pipe";
	if (pipe2(ends, O_CLOEXEC)) {
		wrong(w, "pipe: %s", strerror(errno));
		return;
	}
	a.fd = ends[1];
	if (pthread_create(&writer, NULL, write_numbers, &a)) {
		wrong(w, "no thread: %s", strerror(errno));
		close(ends[1]);
		close(ends[0]);
		return;
	}
	/* What was interrupted in the midst of a word would be read in parts. */
	while ((got = read(ends[0], &n, sizeof(n))) == sizeof(n)) {
		if (n != a.begin + have)
			wrong(w, "number %lu is %lx instead of %lx", have, n, a.begin + have);
		have++;
	}
	if (got && !(got < 0 && errno == EBADF && is_resumed()))
		wrong(w, "read: %zd, %s", got, strerror(errno));
	close(ends[0]);
	pthread_join(writer, &failed);
	if (!is_resumed() && (failed || have != a.count))
		wrong(w, "%lu of %lu numbers, %s", have, a.count, strerror((int)(intptr_t)failed));
}

static void *add_one(void *arg)
{
	++*(uint64_t *)arg;
	return NULL;
}

static void starts_threads(struct worker *w)
{
	uint64_t n = 0, count = 1 + draw(w, 10);

	w->doing = "short threads";
	for (uint64_t i = 0; i < count; i++) {
		pthread_t t;
		int err = pthread_create(&t, NULL, add_one, &n);

		if (err) {
			wrong(w, "no thread: %s", strerror(err));
			return;
		}
		pthread_join(t, NULL);
	}
	if (n != count)
		wrong(w, "%lu instead of %lu", n, count);
}

/* A file whose words are their own numbers, read in order by whoever comes. */
static void reads(struct worker *w)
{
	int fd = open("numbers", O_RDONLY | O_CLOEXEC);
	uint32_t at = (uint32_t)draw(w, FILE_WORDS - 256), n;

	w->doing = "reading";
	if (fd < 0) {
		if (!is_resumed())
			wrong(w, "open: %s", strerror(errno));
		return;
	}
	lseek(fd, at * 4, SEEK_SET);
	for (uint32_t i = 0; i < 256; i++) {
		ssize_t got = read(fd, &n, sizeof(n));

		if (got != sizeof(n) || n != at + i) {
			/* The copy was made as the file was open and not noted yet, or closed already. */
			if (!(got < 0 && errno == EBADF && is_resumed()))
				wrong(w, "word %u is %u, %zd bytes", at + i, n, got);
			break;
		}
	}
	close(fd);
}

/* ---- processes ---- */

static void expect_end(struct worker *w, pid_t pid, int code, bool forked)
{
	int status = 0;
	pid_t got;

	if (pid < 0) {
		wrong(w, "%s", strerror(errno));
		return;
	}
	got = waitpid(pid, &status, 0);
	if (got == pid && WIFEXITED(status) && WEXITSTATUS(status) == code)
		return;
	if (is_resumed() && (got < 0 ? errno == ECHILD : forked && WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV))
		return;
	wrong(w, "process %d: status %x instead of %d, %s", pid, status, code, got < 0 ? strerror(errno) : "");
}

static void forks(struct worker *w)
{
	int code = (int)draw(w, 200);
	pid_t pid;

	w->doing = "forking";
	pid = fork();
	if (!pid) {
		if (code & 1)
			nap_us(1000);
		_exit(code);
	}
	expect_end(w, pid, code, true);
}

static void executes(struct worker *w)
{
	int code = (int)draw(w, 200);
	bool shares = draw(w, 2);
	char text[8];
	pid_t pid;

	w->doing = shares ? "vfork" : "exec";
	snprintf(text, sizeof(text), "%d", code);
	pid = shares ? vfork() : fork();
	if (!pid) {
		execl(exe, exe, "exit", text, NULL);
		_exit(255);
	}
	expect_end(w, pid, code, !shares);
}

/* ---- signals ---- */

static void take(int signo, siginfo_t *info, void *context)
{
	struct worker *w = mine;

	(void)context;
	w->taken++;
	if (signo == SIG_VALUE)
		w->value = info->si_value.sival_int;
	w->again++;
}

/* At 1 kHz, whoever does not block it. A call ends early if, and only if, a handler has run. */
static void takes_signals(struct worker *w)
{
	uint64_t end = now_ns() + draw(w, 40000000);
	sigset_t tick, now;

	w->doing = "taking signals";
	sigemptyset(&tick);
	sigaddset(&tick, SIG_TICK);
	pthread_sigmask(SIG_UNBLOCK, &tick, NULL);
	while (now_ns() < end) {
		struct timespec t = { .tv_nsec = 1000 + (long)draw(w, 5000000) };
		uint64_t before = w->taken, began = now_ns();

		if (draw(w, 2)) {
			uint64_t x = draw(w, ~0ULL);

			if (rounds(x, 20000) != rounds(x, 20000))
				wrong(w, "a handler has changed a register");
		} else if (nanosleep(&t, NULL)) {
			if (errno != EINTR || w->taken == before)
				wrong(w, "no signal, and %s", strerror(errno));
		} else if (now_ns() - began < (uint64_t)t.tv_nsec) {
			wrong(w, "it ended too early");
		}
		if (!pthread_sigmask(SIG_BLOCK, NULL, &now) && sigismember(&now, SIG_TICK))
			wrong(w, "its signals are blocked");
	}
	pthread_sigmask(SIG_BLOCK, &tick, NULL);
	if (w->taken != w->again)
		wrong(w, "a handler has not come to its end");
}

static void sends_to_itself(struct worker *w)
{
	sigset_t set;

	w->doing = "sending to itself";
	sigemptyset(&set);
	sigaddset(&set, SIG_VALUE);
	for (uint64_t left = 1 + draw(w, 100); left; left--) {
		union sigval v = { .sival_int = (int)draw(w, 1 << 30) };
		bool blocked = draw(w, 2);

		if (!blocked)
			pthread_sigmask(SIG_UNBLOCK, &set, NULL);
		if (pthread_sigqueue(pthread_self(), SIG_VALUE, v) && errno != EAGAIN)
			wrong(w, "sigqueue: %s", strerror(errno));
		if (blocked) {
			if (!draw(w, 10))
				nap_us(draw(w, 2000));
			pthread_sigmask(SIG_UNBLOCK, &set, NULL);
		}
		if (w->value != v.sival_int)
			wrong(w, "value %d instead of %d", w->value, v.sival_int);
		pthread_sigmask(SIG_BLOCK, &set, NULL);
	}
}

/* ---- all of them ---- */

int prepare_operations(void)
{
	const struct itimerspec rate = { .it_interval.tv_nsec = 1000000, .it_value.tv_nsec = 1000000 };
	struct sigevent how = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIG_TICK };
	struct sigaction a = { .sa_sigaction = take, .sa_flags = SA_SIGINFO };
	timer_t timer;

	sigaction(SIG_TICK, &a, NULL);
	sigaction(SIG_VALUE, &a, NULL);
	exe = realpath("/proc/self/exe", NULL);
	event = eventfd(0, EFD_CLOEXEC);
	semaphore = semget(IPC_PRIVATE, 1, 0600);
	numbers = open("numbers", O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600);
	for (uint32_t i = 0; numbers >= 0 && i < FILE_WORDS; i++)
		if (write(numbers, &i, sizeof(i)) != sizeof(i))
			return -1;
	close(numbers);
	return !exe || event < 0 || semaphore < 0 || numbers < 0 || timer_create(CLOCK_MONOTONIC, &how, &timer) ||
	       timer_settime(timer, 0, &rate, NULL) ? -1 : 0;
}

void operate(struct worker *w)
{
	static void (*const all[])(struct worker *w) = {
		sleeps, sleeps, sleeps, sleeps, sleeps, computes, holds_registers, holds_registers, maps, maps, allocates,
		locks, pipes, starts_threads, reads, forks, executes, takes_signals, takes_signals, sends_to_itself,
	};

	all[draw(w, sizeof(all) / sizeof(all[0]))](w);
}

void leave_nothing(void)
{
	semctl(semaphore, 0, IPC_RMID);
}
