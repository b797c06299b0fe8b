// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * semantics.c - is the memory of a child as good as the anonymous memory that it stands for?
 *
 *   semantics anonymous                    on plain anonymous memory: are the checks right?
 *   semantics parent                       on one host: fill, snapshot, print "UUID ADDRESS PORT", wait
 *                                          for the end of the input
 *   semantics open UUID ADDRESS PORT       on another host: the checks on that snapshot
 *   semantics memory                       in a process that has the pattern at its place already
 *
 * The environment can set SEMANTICS_FLAGS and SEMANTICS_WINDOW, as MITOSIS_IOC_OPEN takes them.
 *
 * Each word of the memory tells its address, so that a page in a wrong place or of a wrong time shows.
 * One page of sixteen does not exist in the parent. Each check takes a stretch of memory that none
 * before it has touched, and prints one line: "ok", "WRONG" or "skip". Exit status 1 if one was wrong.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "../../kmod/mitosis_ioctl.h"

#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif
#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE 101
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

#define BASE	0x200000000000UL
#define PAGE	4096UL
#define WORDS	(PAGE / 8)
#define AREA	1024UL			/* pages that a check gets */
#define AREAS	34UL
#define LARGE	8192UL			/* pages behind them, for the check with a small cgroup */
#define PAGES	(AREA * AREAS + LARGE)

enum mode { ANONYMOUS, MEMORY, OPENED };

static enum mode mode;
static int fd = -1;			/* OPENED */
static unsigned long areas_used;
static int wrong;
static struct mitosis_ioc_open opened;

typedef volatile uint64_t page_t[WORDS];

/* The pattern. */

static uint64_t word_at(uint64_t address)
{
	address ^= address >> 31;
	address *= 0x9e3779b97f4a7c15UL;
	return (address ^ address >> 29) | 1;
}

static bool is_absent(uint64_t address)
{
	return address / PAGE % 16 == 5;
}

/* Is the page what the parent had at this address? */
static bool shows(page_t *page, uint64_t address)
{
	for (unsigned long i = 0; i < WORDS; i++)
		if ((*page)[i] != (is_absent(address) ? 0 : word_at(address + 8 * i)))
			return false;
	return true;
}

static bool is_zero(page_t *page)
{
	for (unsigned long i = 0; i < WORDS; i++)
		if ((*page)[i])
			return false;
	return true;
}

/* At its own address. */
static bool intact(page_t *page)
{
	return shows(page, (uint64_t)page);
}

static bool all_intact(page_t *page, unsigned long count)
{
	for (unsigned long i = 0; i < count; i++)
		if (!intact(page + i))
			return false;
	return true;
}

static bool all_zero(page_t *page, unsigned long count)
{
	for (unsigned long i = 0; i < count; i++)
		if (!is_zero(page + i))
			return false;
	return true;
}

static void fill(void *start, unsigned long pages)
{
	uint64_t *words = start;

	for (unsigned long i = 0; i < pages * WORDS; i++) {
		uint64_t address = (uint64_t)(words + i);

		if (is_absent(address))
			i += WORDS - 1;
		else
			words[i] = word_at(address);
	}
}

/* Telling. */

static void check(bool good, const char *name, ...)
{
	va_list list;

	fputs(good ? "ok    " : "WRONG ", stdout);
	va_start(list, name);
	vprintf(name, list);
	va_end(list);
	putchar('\n');
	fflush(stdout);
	wrong += !good;
}

static void skip(const char *name, const char *why)
{
	printf("skip  %s: %s\n", name, why);
	fflush(stdout);
}

static void need(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "semantics: %s: %s\n", what, strerror(errno));
	exit(99);
}

/* Memory for a check. */

static page_t *map(int from, uint64_t address, unsigned long pages)
{
	void *p = mmap((void *)address, pages * PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_FIXED_NOREPLACE, from, address);

	need(p == (void *)address, "mmap");
	return p;
}

static page_t *take(void)
{
	uint64_t address = BASE + areas_used++ * AREA * PAGE;

	need(areas_used <= AREAS, "out of areas");
	return mode == OPENED ? map(fd, address, AREA) : (page_t *)address;
}

/* Addresses that nothing uses. */
static void *hole(unsigned long pages)
{
	void *p = mmap(NULL, pages * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	need(p != MAP_FAILED, "mmap");
	return p;
}

static bool discard(page_t *page, unsigned long count)
{
	return !madvise((void *)page, count * PAGE, MADV_DONTNEED);
}

static int open_again(void)
{
	int device = open(MITOSIS_DEVICE_PATH, O_RDWR | O_CLOEXEC), again;

	need(device >= 0, MITOSIS_DEVICE_PATH);
	again = ioctl(device, MITOSIS_IOC_OPEN, &opened);
	need(again >= 0, "MITOSIS_IOC_OPEN");
	close(device);
	return again;
}

static struct mitosis_ioc_state state_of(int of)
{
	struct mitosis_ioc_state state = { .size = sizeof(state) };

	need(!ioctl(of, MITOSIS_IOC_STATE, &state), "MITOSIS_IOC_STATE");
	return state;
}

static bool write_file(const char *path, const char *text)
{
	int f = open(path, O_WRONLY | O_CLOEXEC);
	bool good = f >= 0 && write(f, text, strlen(text)) == (ssize_t)strlen(text);

	if (f >= 0)
		close(f);
	return good;
}

/*
 * The rest in a process of its own, whose wrong checks count here: if (!in_child()) return; … done();
 */
static bool in_child(void)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	need(pid >= 0, "fork");
	if (!pid) {
		wrong = 0;
		return true;
	}
	need(waitpid(pid, &status, 0) == pid, "waitpid");
	if (WIFSIGNALED(status))
		check(false, "a process of its own ends by signal %d", WTERMSIG(status));
	else
		wrong += WEXITSTATUS(status);
	return false;
}

static void __attribute__((noreturn)) done(void)
{
	fflush(stdout);
	_exit(wrong > 90 ? 90 : wrong);
}

/* The checks. */

static void plain(void)
{
	page_t *p = take();

	check(all_intact(p, 5), "reading");
	check(is_zero(p + 5), "a page that the parent lacks reads as zeros");
	check(all_intact(p + 6, 100), "reading on");
	p[200][7] = 1;
	check(p[200][7] == 1 && p[200][6] == word_at((uint64_t)&p[200][6]), "writing keeps the rest of the page");
	p[213][7] = 1;
	check(p[213][7] == 1 && !p[213][6], "writing to a page that the parent lacks");
	check(intact(p + 300), "a page far from any that was touched");
	check(intact(p + AREA - 1), "the last page");
}

static void dontneed(void)
{
	page_t *p = take();

	all_intact(p, 32);
	for (int i = 32; i < 64; i++)
		p[i][1] = i;
	check(discard(p, 1) && is_zero(p), "DONTNEED, touched");
	check(discard(p, 1) && is_zero(p), "DONTNEED, again");
	check(discard(p + 32, 1) && is_zero(p + 32), "DONTNEED, written");
	check(discard(p + 33, 1) && (p[33][1] = 9) && !p[33][0] && !p[33][2], "DONTNEED, written, written again");
	check(discard(p + 200, 16) && all_zero(p + 200, 16), "DONTNEED, untouched");
	check(intact(p + 199) && intact(p + 216), "the pages before and behind");
	check(discard(p + 213, 1) && is_zero(p + 213), "DONTNEED, absent");
	check(discard(p + 700, 1) && (p[700][3] = 5) && is_zero(p + 701) == is_absent((uint64_t)(p + 701)) &&
	      !p[700][2], "DONTNEED, untouched, then written");
	p[1][9] = 4;
	check(discard(p + 1, 1) && is_zero(p + 1), "DONTNEED, touched and then written");
	check(all_intact(p + 2, 30), "the touched pages around");
	check(discard(p + 400, 400) && all_zero(p + 400, 400), "DONTNEED of many pages, across 2 MiB");
	check(intact(p + 399) && intact(p + 800), "the pages around them");
}

static void other_advice(void)
{
	page_t *p = take();

	all_intact(p, 32);
	p[40][1] = 3;
	if (mode == OPENED) {
		check(madvise((void *)p, PAGE, MADV_FREE) == -1 && errno == EINVAL, "MADV_FREE is refused");
		check(madvise((void *)p, PAGE, MADV_WIPEONFORK) == -1 && errno == EINVAL,
		      "MADV_WIPEONFORK is refused");
		check(madvise((void *)p, AREA * PAGE, 25 /* COLLAPSE */) == -1, "MADV_COLLAPSE is refused");
	}
	check(intact(p), "after refused advice");
	check(!madvise((void *)p, 64 * PAGE, 20 /* COLD */) && all_intact(p, 32), "MADV_COLD");
	check(!madvise((void *)p, 32 * PAGE, 21 /* PAGEOUT */) && all_intact(p, 32), "MADV_PAGEOUT");
	madvise((void *)p, AREA * PAGE, MADV_HUGEPAGE);
	check(all_intact(p + 512, 64), "MADV_HUGEPAGE");
	check(discard(p + 520, 1) && is_zero(p + 520) && all_intact(p + 521, 200),
	      "DONTNEED under MADV_HUGEPAGE");
	madvise((void *)p, AREA * PAGE, MADV_RANDOM);
	check(all_intact(p + 100, 64), "MADV_RANDOM");
	madvise((void *)p, AREA * PAGE, MADV_SEQUENTIAL);
	check(all_intact(p + 200, 64), "MADV_SEQUENTIAL");
	check(!madvise((void *)(p + 800), 100 * PAGE, MADV_WILLNEED) && all_intact(p + 800, 100), "MADV_WILLNEED");
	check(p[40][1] == 3 && p[40][2] == word_at((uint64_t)&p[40][2]), "a written page after all that");
}

static void pressure(void)
{
	page_t *p = take();

	all_intact(p, 64);
	p[70][1] = 3;
	discard(p + 80, 4);
	if (write_file("/proc/sys/vm/drop_caches", "1"))
		check(all_intact(p, 64) && p[70][1] == 3, "drop_caches");
	else
		skip("drop_caches", strerror(errno));
	if (write_file("/proc/sys/vm/compact_memory", "1"))
		check(all_intact(p, 64) && p[70][1] == 3, "compaction");
	else
		skip("compaction", strerror(errno));
	/* Takes the page frame out of use: a clean page is dropped, a written one migrates. */
	if (!madvise((void *)(p + 2), PAGE, MADV_SOFT_OFFLINE)) {
		check(all_intact(p, 8), "a page frame goes away: touched");
		check(!madvise((void *)(p + 70), PAGE, MADV_SOFT_OFFLINE) && p[70][1] == 3 &&
		      p[70][2] == word_at((uint64_t)&p[70][2]), "a page frame goes away: written");
	} else {
		skip("a page frame goes away", strerror(errno));
	}
	check(all_zero(p + 80, 4), "discarded pages are still zeros");
}

static void swap(void)
{
	char line[200] = "";
	page_t *p = take();
	FILE *f = fopen("/proc/swaps", "re");

	if (!f || !fgets(line, sizeof(line), f) || !fgets(line, sizeof(line), f)) {
		skip("swapped pages", "no swap space");
		if (f)
			fclose(f);
		return;
	}
	fclose(f);
	for (int i = 0; i < 64; i++)
		p[i][2] = i;
	madvise((void *)p, 64 * PAGE, 21 /* PAGEOUT */);
	check(p[40][2] == 40 && p[40][3] == word_at((uint64_t)&p[40][3]), "swapped out and back");
	madvise((void *)p, 64 * PAGE, 21);
	check(discard(p + 41, 1) && is_zero(p + 41), "swapped out, DONTNEED");
	check(p[42][2] == 42, "its swapped neighbour");
}

static void protection(void)
{
	page_t *p = take();

	all_intact(p, 32);
	need(!mprotect((void *)(p + 16), 8 * PAGE, PROT_READ), "mprotect");
	check(all_intact(p, 32), "mprotect read-only keeps all");
	mprotect((void *)(p + 16), 8 * PAGE, PROT_NONE);
	mprotect((void *)(p + 16), 8 * PAGE, PROT_READ | PROT_WRITE);
	check(all_intact(p, 32), "mprotect none and back keeps all");
	mprotect((void *)(p + 600), 8 * PAGE, PROT_READ);
	check(all_intact(p + 590, 30), "mprotect of untouched pages");
	check(discard(p + 18, 1) && is_zero(p + 18), "DONTNEED between split mappings");
	check(discard(p + 596, 10) && all_zero(p + 596, 10), "DONTNEED across a border");
	check(intact(p + 595) && intact(p + 606), "the pages around");
	/* The border moves: the pages it passes belong to the other mapping from then on. */
	mprotect((void *)(p + 608), 100 * PAGE, PROT_READ | PROT_EXEC);
	mprotect((void *)(p + 608), 50 * PAGE, PROT_READ);
	check(all_intact(p + 608, 100), "a border that moves");
	mprotect((void *)p, AREA * PAGE, PROT_READ | PROT_WRITE);
	check(all_zero(p + 596, 10) && all_intact(p + 606, 200), "made one again");
}

static void forked(void)
{
	page_t *p = take();

	/* Only read, so the mapping has nothing anonymous and fork() copies no page tables. */
	all_intact(p, 32);
	discard(p + 3, 1);
	discard(p + 300, 1);
	if (in_child()) {
		check(intact(p + 1), "fork: touched");
		check(is_zero(p + 3), "fork: discarded before");
		check(is_zero(p + 300), "fork: discarded untouched before");
		check(intact(p + 400), "fork: untouched");
		check(discard(p + 2, 1) && is_zero(p + 2), "fork: DONTNEED, touched");
		check(discard(p + 500, 1) && is_zero(p + 500), "fork: DONTNEED, untouched");
		if (in_child()) {
			check(is_zero(p + 2) && is_zero(p + 3) && intact(p + 4), "fork of the fork");
			check(discard(p + 501, 1) && is_zero(p + 501), "fork of the fork: DONTNEED");
			done();
		}
		check(intact(p + 501), "fork: not discarded by its own child");
		done();
	}
	check(intact(p + 2) && intact(p + 500), "not discarded by the forked process");
	p[1][1] = 1;
	if (in_child()) {
		check(intact(p + 4), "fork of a written mapping: touched");
		check(p[1][1] == 1, "fork of a written mapping: written");
		check(discard(p + 1, 1) && is_zero(p + 1), "fork of a written mapping: DONTNEED, written");
		done();
	}
	check(p[1][1] == 1 && p[1][2] == word_at((uint64_t)&p[1][2]), "the written page is its own");
}

/* madvise() as the first that a forked process does. */
static void fork_race(void)
{
	enum { ROUNDS = 100 };
	page_t *p = take();
	int missed = 0;

	intact(p);
	for (int i = 0; i < ROUNDS; i++) {
		pid_t pid = fork();
		int status = 1;

		need(pid >= 0, "fork");
		if (!pid) {
			bool good = discard(p + 500, 1) && is_zero(p + 500);

			good = discard(p + 900, 1) && is_zero(p + 900) && good;
			_exit(!good);
		}
		waitpid(pid, &status, 0);
		missed += status != 0;
	}
	check(!missed, "fork and discard at once: %d of %d missed", missed, ROUNDS);
	check(intact(p + 500) && intact(p + 900), "fork and discard: intact here");
}

static void pause_us(unsigned int us)
{
	struct timespec now, start;

	clock_gettime(CLOCK_MONOTONIC, &start);
	do
		clock_gettime(CLOCK_MONOTONIC, &now);
	while ((now.tv_sec - start.tv_sec) * 1000000 + (now.tv_nsec - start.tv_nsec) / 1000 < us);
}

static _Atomic bool calm;

static void ignore_signal(int signal)
{
	(void)signal;
}

static void *disturber(void *arg)
{
	unsigned int seed = 1;

	while (!calm) {
		syscall(SYS_tgkill, getpid(), *(pid_t *)arg, SIGUSR1);
		pause_us((seed = seed * 1103515245 + 12345) / 65536 % 2000);
	}
	return NULL;
}

/* A signal that comes while fork() is under way takes nothing from the new process. */
static void fork_signals(void)
{
	enum { ROUNDS = 100 };
	struct sigaction action = { .sa_handler = ignore_signal, .sa_flags = SA_RESTART };
	pid_t self = gettid();
	pthread_t thread;
	page_t *p = take();
	int lost = 0;

	intact(p);
	sigaction(SIGUSR1, &action, NULL);
	need(!pthread_create(&thread, NULL, disturber, &self), "pthread_create");
	for (int i = 0; i < ROUNDS; i++) {
		pid_t pid = fork();
		int status = 1;

		need(pid >= 0, "fork");
		if (!pid)
			_exit(!intact(p + i));
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		lost += status != 0;
	}
	calm = true;
	pthread_join(thread, NULL);
	check(!lost, "fork while signals come: %d of %d lost their memory", lost, ROUNDS);
}

static void moved(void)
{
	page_t *p = take(), *q = hole(2 * AREA);
	void *at;

	intact(p + 512);
	p[514][1] = 3;
	discard(p + 520, 1);
	intact(p + 521);
	discard(p + 521, 1);
	at = mremap((void *)(p + 512), 256 * PAGE, 256 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q);
	need(at == (void *)q, "mremap");
	check(shows(q, (uint64_t)(p + 512)), "moved: touched");
	check(q[2][1] == 3 && q[2][2] == word_at((uint64_t)&p[514][2]), "moved: written");
	check(shows(q + 100, (uint64_t)(p + 612)), "moved: untouched");
	check(is_zero(q + 8) && is_zero(q + 9), "moved: discarded before");
	check(discard(q, 1) && is_zero(q), "moved: DONTNEED, touched");
	check(discard(q + 200, 1) && is_zero(q + 200), "moved: DONTNEED, untouched");
	check(discard(q + 2, 1) && is_zero(q + 2), "moved: DONTNEED, written");
	if (in_child()) {
		check(shows(q + 101, (uint64_t)(p + 613)) && is_zero(q + 200), "moved, then forked");
		check(discard(q + 102, 1) && is_zero(q + 102), "moved, then forked: DONTNEED");
		done();
	}
	check(shows(q + 102, (uint64_t)(p + 614)), "moved: not discarded by the forked process");
	at = mremap((void *)q, 256 * PAGE, 256 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p + 512);
	need(at == (void *)(p + 512), "mremap");
	check(is_zero(p + 512) && intact(p + 513) && is_zero(p + 712) && intact(p + 612), "moved back");
	check(all_intact(p + 500, 12) && all_intact(p + 768, 12), "the pages around");
	at = mremap((void *)p, 64 * PAGE, 64 * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0);
	if (at == MAP_FAILED) {
		skip("moved with DONTUNMAP", strerror(errno));
		return;
	}
	check(shows((page_t *)at + 7, (uint64_t)(p + 7)), "moved with DONTUNMAP: the new place");
	check(all_zero(p, 64), "moved with DONTUNMAP: the old place");
	check(intact(p + 64), "moved with DONTUNMAP: the page behind the old place");
}

static void grown(void)
{
	page_t *p = take(), *q;

	munmap((void *)(p + 256), 256 * PAGE);
	q = mremap((void *)p, 256 * PAGE, 300 * PAGE, 0);
	need(q == p, "mremap");
	check(all_zero(p + 256, 44), "grown over what was unmapped");
	check(all_intact(p + 200, 56), "grown: the old part");
	q = mremap((void *)p, 300 * PAGE, 100 * PAGE, 0);
	q = mremap((void *)p, 100 * PAGE, 400 * PAGE, 0);
	need(q == p, "mremap");
	check(all_zero(p + 100, 300) && all_intact(p, 100), "shrunk and grown");
	if (in_child()) {
		check(all_zero(p + 100, 300) && all_intact(p, 100), "shrunk and grown, forked");
		done();
	}
	/* A neighbour that lives: growing has to move, and its pages must not show at the new place. */
	q = mremap((void *)(p + 600), 20 * PAGE, 60 * PAGE, MREMAP_MAYMOVE);
	need(q != MAP_FAILED, "mremap");
	check(shows(q + 19, (uint64_t)(p + 619)) && shows(q, (uint64_t)(p + 600)), "grown and moved: the old part");
	check(all_zero(q + 20, 40), "grown and moved: the new part");
	check(all_intact(p + 620, 100), "the neighbour");
	check(discard(q + 3, 1) && is_zero(q + 3) && shows(q + 4, (uint64_t)(p + 604)), "grown and moved: DONTNEED");
	/* What went away leaves a hole into which its neighbour grows. */
	need(mremap((void *)(p + 900), 124 * PAGE, 124 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, hole(124)) !=
	     MAP_FAILED, "mremap");
	q = mremap((void *)(p + 800), 100 * PAGE, 110 * PAGE, 0);
	if (q == p + 800)
		check(all_zero(p + 900, 10), "grown over what was moved away");
	else
		skip("grown over what was moved away", strerror(errno));
	check(all_intact(p + 800, 100), "grown: the old part");
	/* Once more at a place that is not its first. */
	q = hole(400);
	need(mremap((void *)(p + 700), 50 * PAGE, 50 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, q) == q, "mremap");
	munmap((void *)(q + 50), 350 * PAGE);
	need(mremap((void *)q, 50 * PAGE, 150 * PAGE, 0) == q, "mremap");
	check(shows(q + 49, (uint64_t)(p + 749)) && all_zero(q + 50, 100), "moved, then grown");
	check(all_intact(p + 750, 50), "and the pages that lie there in the file");
}

static void replaced(void)
{
	page_t *p = take();
	void *at = mmap((void *)(p + 100), 50 * PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	need(at == p + 100, "mmap");
	check(all_zero(p + 100, 50) && all_intact(p + 90, 10) && all_intact(p + 150, 10),
	      "other memory mapped over it");
	munmap((void *)(p + 100), 50 * PAGE);
	need(mremap((void *)(p + 90), 10 * PAGE, 60 * PAGE, 0) == p + 90, "mremap");
	check(all_zero(p + 100, 50), "unmapped and grown into");
}

static void system_calls(void)
{
	page_t *p = take();
	struct iovec local, remote;
	uint64_t word, words[WORDS];
	int ends[2], mem;

	need(!pipe(ends), "pipe");
	check(write(ends[1], (void *)&p[10][0], PAGE) == (ssize_t)PAGE && read(ends[0], words, PAGE) == (ssize_t)PAGE &&
	      shows((page_t *)words, (uint64_t)(p + 10)), "write() from an untouched page");
	word = 7;
	need(write(ends[1], &word, 8) == 8, "write");
	check(read(ends[0], (void *)&p[200][4], 8) == 8 && p[200][4] == 7 &&
	      p[200][5] == word_at((uint64_t)&p[200][5]), "read() into an untouched page");
	discard(p + 300, 1);
	need(write(ends[1], &word, 8) == 8, "write");
	check(read(ends[0], (void *)&p[300][4], 8) == 8 && p[300][4] == 7 && !p[300][5],
	      "read() into a discarded page");
	mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	need(mem >= 0, "/proc/self/mem");
	check(pread(mem, words, PAGE, (off_t)(p + 400)) == (ssize_t)PAGE && shows((page_t *)words, (uint64_t)(p + 400)),
	      "/proc/self/mem: read");
	check(pwrite(mem, &word, 8, (off_t)&p[500][1]) == 8 && p[500][1] == 7 &&
	      p[500][0] == word_at((uint64_t)&p[500][0]), "/proc/self/mem: write");
	local = (struct iovec){ words, PAGE };
	remote = (struct iovec){ (void *)&p[600][0], PAGE };
	check(process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == (ssize_t)PAGE &&
	      shows((page_t *)words, (uint64_t)(p + 600)), "process_vm_readv()");
	check(!madvise((void *)(p + 700), 32 * PAGE, MADV_POPULATE_READ) && all_intact(p + 700, 32), "populated");
	discard(p + 740, 8);
	check(!madvise((void *)(p + 740), 8 * PAGE, MADV_POPULATE_WRITE) && all_zero(p + 740, 8),
	      "populated after DONTNEED");
	check(!mlock((void *)(p + 800), 16 * PAGE) && all_intact(p + 800, 16), "mlock()");
	check(!discard(p + 800, 1) && errno == EINVAL && intact(p + 800), "DONTNEED of locked memory is refused");
	check(!madvise((void *)(p + 800), PAGE, MADV_DONTNEED_LOCKED) && is_zero(p + 800) && intact(p + 801),
	      "DONTNEED_LOCKED");
	munlock((void *)(p + 800), 16 * PAGE);
	close(mem);
	close(ends[0]);
	close(ends[1]);
}

/* System calls that are carried out by others, or come by another way. */

struct ring {
	int fd;
	unsigned int *sq_tail, *sq_flags, *cq_head, *cq_tail, mask, cq_mask;
	unsigned int *array;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
};

static bool ring_open(struct ring *r, unsigned int flags)
{
	struct io_uring_params params = { .flags = flags, .sq_thread_idle = 1000 };
	char *rings;

	r->fd = (int)syscall(SYS_io_uring_setup, 64, &params);
	if (r->fd < 0)
		return false;
	need(params.features & IORING_FEAT_SINGLE_MMAP, "io_uring_setup");
	rings = mmap(NULL, params.cq_off.cqes + params.cq_entries * sizeof(*r->cqes) +
		     params.sq_off.array + params.sq_entries * 4, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, IORING_OFF_SQ_RING);
	r->sqes = mmap(NULL, params.sq_entries * sizeof(*r->sqes), PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, IORING_OFF_SQES);
	need(rings != MAP_FAILED && (void *)r->sqes != MAP_FAILED, "mmap of io_uring");
	r->sq_tail = (unsigned int *)(rings + params.sq_off.tail);
	r->sq_flags = (unsigned int *)(rings + params.sq_off.flags);
	r->mask = *(unsigned int *)(rings + params.sq_off.ring_mask);
	r->array = (unsigned int *)(rings + params.sq_off.array);
	r->cq_head = (unsigned int *)(rings + params.cq_off.head);
	r->cq_tail = (unsigned int *)(rings + params.cq_off.tail);
	r->cq_mask = *(unsigned int *)(rings + params.cq_off.ring_mask);
	r->cqes = (struct io_uring_cqe *)(rings + params.cq_off.cqes);
	return true;
}

static void ring_put(struct ring *r, const struct io_uring_sqe *sqe)
{
	unsigned int tail = *r->sq_tail;

	r->sqes[tail & r->mask] = *sqe;
	r->array[tail & r->mask] = tail & r->mask;
	__atomic_store_n(r->sq_tail, tail + 1, __ATOMIC_RELEASE);
}

/* Submit so many and await them; how many gave the result. */
static unsigned int ring_run(struct ring *r, unsigned int count, int result, bool polled)
{
	unsigned int flags = IORING_ENTER_GETEVENTS, good = 0, seen = 0;

	atomic_thread_fence(memory_order_seq_cst);
	if (polled && *(volatile unsigned int *)r->sq_flags & IORING_SQ_NEED_WAKEUP)
		flags |= IORING_ENTER_SQ_WAKEUP;
	need(syscall(SYS_io_uring_enter, r->fd, polled ? 0 : count, 0, flags, NULL, 0) >= 0, "io_uring_enter");
	while (seen < count) {
		unsigned int head = *r->cq_head, tail = __atomic_load_n(r->cq_tail, __ATOMIC_ACQUIRE);

		for (; head != tail; head++, seen++)
			good += r->cqes[head & r->cq_mask].res == result;
		__atomic_store_n(r->cq_head, head, __ATOMIC_RELEASE);
		if (seen < count)
			need(syscall(SYS_io_uring_enter, r->fd, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0) >= 0, "io_uring_enter");
	}
	return good;
}

/* Eight bytes of a file into each of 32 pages that were read before, and nothing else of these changes. */
static bool ring_reads(struct ring *r, page_t *p, int from, unsigned int flags, bool polled)
{
	bool good = all_intact(p, 32);

	for (unsigned int i = 0; i < 32; i++)
		ring_put(r, &(struct io_uring_sqe){ .opcode = IORING_OP_READ, .flags = (uint8_t)flags, .fd = from,
						    .addr = (uint64_t)&p[i][3], .len = 8 });
	good &= ring_run(r, 32, 8, polled) == 32;
	for (unsigned int i = 0; i < 32; i++) {
		good &= p[i][3] == 7;
		p[i][3] = is_absent((uint64_t)(p + i)) ? 0 : word_at((uint64_t)&p[i][3]);
	}
	return good && all_intact(p, 32);
}

static void ring_advise(struct ring *r, page_t *page, unsigned int pages, unsigned int advice)
{
	ring_put(r, &(struct io_uring_sqe){ .opcode = IORING_OP_MADVISE, .fd = -1, .addr = (uint64_t)page,
					    .len = pages * (unsigned int)PAGE, .fadvise_advice = advice });
}

static void rings(void)
{
	uint64_t word = 7;
	struct ring r;
	page_t *p = take();
	int from = memfd_create("semantics", MFD_CLOEXEC);

	need(from >= 0 && write(from, &word, 8) == 8, "memfd");
	if (!ring_open(&r, 0)) {
		skip("io_uring", strerror(errno));
		close(from);
		return;
	}
	all_intact(p, 64);
	p[40][1] = 9;
	ring_advise(&r, p, 1, MADV_DONTNEED);
	ring_advise(&r, p + 32, 16, MADV_DONTNEED);
	ring_advise(&r, p + 200, 16, MADV_DONTNEED);
	check(ring_run(&r, 3, 0, false) == 3 && is_zero(p) && all_zero(p + 32, 16) && all_zero(p + 200, 16),
	      "io_uring: DONTNEED, touched, written and untouched");
	check(all_intact(p + 1, 31) && all_intact(p + 48, 16) && intact(p + 199) && intact(p + 216), "the pages around");
	ring_advise(&r, p + 1, 31, 20 /* COLD */);
	ring_advise(&r, p + 48, 8, 21 /* PAGEOUT */);
	check(ring_run(&r, 2, 0, false) == 2 && all_intact(p + 1, 31) && all_intact(p + 48, 16), "io_uring: COLD and PAGEOUT");
	check(ring_reads(&r, p + 300, from, IOSQE_ASYNC, false), "io_uring: a worker reads into pages that are not its own yet");
	close(r.fd);
	if (ring_open(&r, IORING_SETUP_SQPOLL)) {
		check(ring_reads(&r, p + 400, from, 0, true), "io_uring: so does the thread that polls");
		ring_advise(&r, p + 400, 32, MADV_DONTNEED);
		check(ring_run(&r, 1, 0, true) == 1 && all_zero(p + 400, 32), "io_uring: DONTNEED, by way of that thread");
		close(r.fd);
	}
	close(from);
}

/* The way of 32-bit programs is open to others, where their addresses are low. */
static void other_door(void)
{
#ifdef __x86_64__
	void *low = mmap(NULL, 64 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_32BIT, -1, 0);
	page_t *p = take(), *q = low;
	uint64_t from = (uint64_t)p;
	long result = 20;	/* getpid */
	int status;
	pid_t pid = fork();

	if (!pid) {
		__asm__ volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
		_exit(0);
	}
	need(pid > 0 && waitpid(pid, &status, 0) == pid, "fork");
	if (status) {
		skip("DONTNEED by int $0x80", "this kernel has no such way");
		munmap(low, 64 * PAGE);
		return;
	}
	need(low != MAP_FAILED, "mmap");
	all_intact(p, 16);
	p[16][1] = 4;
	need(mremap((void *)p, 64 * PAGE, 64 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, low) == low, "mremap");
	__asm__ volatile("int $0x80" : "=a"(result) : "a"(219), "b"(low), "c"(32 * PAGE), "d"(MADV_DONTNEED)
			 : "memory", "r8", "r9", "r10", "r11");
	check(!result && all_zero(q, 32) && shows(q + 32, from + 32 * PAGE), "DONTNEED by int $0x80");
	munmap(low, 64 * PAGE);
#endif
}

/* Threads. */

static _Atomic unsigned long cursor;
static _Atomic bool stop;
static _Atomic unsigned long errors;

static void *reader(void *arg)
{
	page_t *p = arg;
	unsigned int seed = (unsigned int)(uintptr_t)&seed >> 4;

	for (int i = 0; i < 20000; i++) {
		unsigned long n = (seed = seed * 1103515245 + 12345) / 65536 % AREA;
		unsigned long word = seed / 7 % WORDS;

		if (p[n][word] != (is_absent((uint64_t)(p + n)) ? 0 : word_at((uint64_t)&p[n][word])))
			errors++;
	}
	return NULL;
}

static void threads(void)
{
	pthread_t thread[4];
	page_t *p = take();

	for (int i = 0; i < 4; i++)
		need(!pthread_create(&thread[i], NULL, reader, (void *)p), "pthread_create");
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	check(!errors, "threads that read: %lu words wrong", (unsigned long)errors);
}

/* Reads the page that is being discarded. */
static void *chaser(void *arg)
{
	page_t *p = arg;
	uint64_t sum = 0;

	while (!stop) {
		unsigned long n = cursor;

		sum += p[n][0] + p[n][WORDS - 1];
	}
	return (void *)(uintptr_t)(sum & 1);
}

/*
 * The page is read by others for the first time; from the return of madvise() on, all see zeros. What
 * makes it hard is a fault that has seen that the page is good and maps it a moment too late. So each
 * page must be on its way when it is discarded: a window of 0 keeps it from being there before.
 */
static void discard_race(void)
{
	uint64_t address = BASE + areas_used * AREA * PAGE;
	unsigned long early = 0, late = 0;
	struct mitosis_ioc_open usual = opened;
	unsigned int seed = 1;
	pthread_t thread[2];
	page_t *p;
	int f = -1;

	opened.window = 0;
	if (mode == OPENED) {
		areas_used++;
		f = open_again();
		p = map(f, address, AREA);
	} else {
		p = take();
	}
	opened = usual;
	for (int i = 0; i < 2; i++)
		need(!pthread_create(&thread[i], NULL, chaser, (void *)p), "pthread_create");
	for (unsigned long n = 0; n < AREA; n++) {
		cursor = n;
		pause_us((seed = seed * 1103515245 + 12345) / 65536 % 1000);
		discard(p + n, 1);
		early += p[n][0] != 0;
		sched_yield();
		late += p[n][0] != 0;
	}
	stop = true;
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	check(!early && !late, "threads that read what is discarded: %lu old pages at once, %lu later", early, late);
	check(all_zero(p, AREA), "all of it is zeros");
	if (f < 0)
		return;
	munmap((void *)p, AREA * PAGE);
	close(f);
}

static void *writer(void *arg)
{
	page_t *p = arg;
	static _Atomic unsigned int next;
	unsigned int me = next++;

	for (unsigned long n = 0; n < AREA; n++)
		p[n][me] = me + 1;
	return NULL;
}

static void write_race(void)
{
	unsigned long lost = 0;
	pthread_t thread[4];
	page_t *p = take();

	for (int i = 0; i < 4; i++)
		need(!pthread_create(&thread[i], NULL, writer, (void *)p), "pthread_create");
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	for (unsigned long n = 0; n < AREA; n++) {
		bool absent = is_absent((uint64_t)(p + n));

		for (unsigned int i = 0; i < 4; i++)
			lost += p[n][i] != i + 1;
		lost += p[n][9] != (absent ? 0 : word_at((uint64_t)&p[n][9]));
	}
	check(!lost, "threads that write: %lu words lost", lost);
}

/* A cgroup that is smaller than what is touched. */
static void small_cgroup(void)
{
	static const char group[] = "/sys/fs/cgroup/semantics";
	page_t *p = (page_t *)(BASE + AREA * AREAS * PAGE);
	char path[100], text[30];

	write_file("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	mkdir(group, 0755);
	snprintf(path, sizeof(path), "%s/memory.max", group);
	if (!write_file(path, "16M")) {
		skip("a cgroup of 16 MiB", strerror(errno));
		rmdir(group);
		return;
	}
	if (in_child()) {
		unsigned long bad = 0, lost = 0;

		snprintf(path, sizeof(path), "%s/cgroup.procs", group);
		snprintf(text, sizeof(text), "%d", getpid());
		need(write_file(path, text), path);
		if (mode == OPENED)
			map(fd, (uint64_t)p, LARGE);
		for (unsigned long i = 0; i < LARGE; i += 16)
			p[i][1] = i;
		discard(p + LARGE / 2, 256);
		for (int round = 0; round < 2; round++) {
			for (unsigned long i = 0; i < LARGE; i++) {
				bool gone = i >= LARGE / 2 && i < LARGE / 2 + 256;
				uint64_t address = (uint64_t)&p[i][2];

				bad += p[i][2] != (gone || is_absent(address) ? 0 : word_at(address));
				lost += i % 16 == 0 && p[i][1] != (gone ? 0 : i);
			}
		}
		check(!bad && !lost, "32 MiB in a cgroup of 16 MiB: %lu pages wrong, %lu writes lost", bad, lost);
		done();
	}
	rmdir(group);
}

/* The file itself: only where there is one. */

static void siblings(void)
{
	page_t *p = take();
	uint64_t requests;
	int again;

	all_intact(p, 256);
	requests = state_of(fd).read_requests;
	if (in_child()) {
		munmap((void *)p, AREA * PAGE);
		again = open_again();
		map(again, (uint64_t)p, AREA);
		check(all_intact(p, 256), "a sibling");
		if (!(opened.flags & MITOSIS_OPEN_PRIVATE))
			check(!state_of(again).read_requests, "a sibling finds the pages on this host");
		p[3][3] = 4;
		discard(p + 4, 1);
		check(is_zero(p + 4), "a sibling: DONTNEED");
		done();
	}
	check(intact(p + 3) && intact(p + 4), "what a sibling writes and discards");
	check(state_of(fd).read_requests == requests, "a sibling's requests are its own");
	munmap((void *)p, AREA * PAGE);
	map(fd, (uint64_t)p, AREA);
	check(all_intact(p, 256), "mapped anew");
	discard(p, 10);
	munmap((void *)p, AREA * PAGE);
	map(fd, (uint64_t)p, AREA);
	check(all_intact(p, 20), "discarded, mapped anew");
}

static bool maps_say(uint64_t address, const char *name)
{
	char line[500], start[40];
	bool found = false;
	FILE *f = fopen("/proc/self/maps", "re");

	need(f, "/proc/self/maps");
	snprintf(start, sizeof(start), "%lx-", (unsigned long)address);
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, start, strlen(start)) && strstr(line, name))
			found = true;
	fclose(f);
	return found;
}

static void mappings(void)
{
	uint64_t address = BASE + areas_used++ * AREA * PAGE, half = address + AREA / 2 * PAGE;
	uint64_t words[WORDS];
	page_t *p;

	check(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, address) == MAP_FAILED,
	      "MAP_SHARED for writing is refused");
	check(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_GROWSDOWN, fd, address) == MAP_FAILED,
	      "MAP_GROWSDOWN is refused");
	p = mmap((void *)address, AREA / 2 * PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED_NOREPLACE, fd,
		 address);
	check(p == (void *)address && all_intact(p, 8), "PROT_EXEC");
	check(maps_say(address, " mitosis:["), "the name in /proc/self/maps");
	/* Beside it, with the same access: the kernel may make one mapping of two. */
	need(mmap((void *)half, AREA / 2 * PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED_NOREPLACE, fd,
		  half) == (void *)half, "mmap");
	check(intact((page_t *)half) && all_intact(p, AREA), "a mapping beside another");
	munmap((void *)p, AREA * PAGE);
	p = mmap((void *)address, AREA * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, address);
	check(p == (void *)address && all_intact(p, 16) && discard(p, 16) && all_intact(p, 16),
	      "MAP_SHARED for reading");
	munmap((void *)p, AREA * PAGE);
	check(pread(fd, words, PAGE, (off_t)address) == (ssize_t)PAGE && shows((page_t *)words, address), "pread()");
	check(pread(fd, words, PAGE, (off_t)address + 5 * PAGE) == (ssize_t)PAGE && is_zero((page_t *)words),
	      "pread() of a page that the parent lacks");
	check(write(fd, words, 8) == -1, "write() is refused");
}

/* read() reads ahead in large folios where the kernel has them; absent pages lie within. */
static void read_through(void)
{
	enum { PIECE = 16 };
	uint64_t address = BASE + areas_used++ * AREA * PAGE;
	char *buffer = malloc(PIECE * PAGE);
	bool good = buffer;
	page_t *p;

	for (unsigned long i = 0; i < AREA && good; i += PIECE) {
		uint64_t at = address + i * PAGE;

		good = pread(fd, buffer, PIECE * PAGE, (off_t)at) == (ssize_t)(PIECE * PAGE);
		for (unsigned long j = 0; j < PIECE && good; j++)
			good = shows((page_t *)(buffer + j * PAGE), at + j * PAGE);
	}
	free(buffer);
	check(good, "pread() of everything");
	p = map(fd, address, AREA);
	check(all_intact(p, AREA), "what was read is mapped");
	check(discard(p + 100, 1) && is_zero(p + 100) && all_intact(p, 100) && all_intact(p + 101, 100),
	      "DONTNEED of one page of it");
	p[300][0] = 1;
	check(all_intact(p + 280, 20) && all_intact(p + 301, 20), "the pages around one that is written");
}

static void questions(void)
{
	struct mitosis_ioc_prefetch prefetch = { .size = sizeof(prefetch), .range_count = 1 };
	struct mitosis_ioc_next next = { .size = sizeof(next) };
	struct mitosis_ioc_range range;
	struct mitosis_ioc_state before;
	struct pollfd poller = { .fd = fd, .events = POLLIN };
	page_t *p = take();
	int error;

	range = (struct mitosis_ioc_range){ (uint64_t)p, 256 };
	prefetch.ranges = (uintptr_t)&range;
	error = ioctl(fd, MITOSIS_IOC_PREFETCH, &prefetch);
	check(!error && prefetch.pages == 240, "PREFETCH: %llu pages of 256", (unsigned long long)prefetch.pages);
	before = state_of(fd);
	check(all_intact(p, 256) && state_of(fd).read_pages == before.read_pages, "prefetched pages are there");
	error = ioctl(fd, MITOSIS_IOC_PREFETCH, &prefetch);
	check(!error && !prefetch.pages, "PREFETCH of what is there");
	prefetch.reserved = 1;
	check(ioctl(fd, MITOSIS_IOC_PREFETCH, &prefetch) == -1 && errno == EINVAL, "PREFETCH: reserved");
	prefetch.reserved = 0;
	range.pages = ~0UL;
	check(ioctl(fd, MITOSIS_IOC_PREFETCH, &prefetch) == -1 && errno == EINVAL, "PREFETCH: overflow");

	before = state_of(fd);
	discard(p + 6, 4);
	check(state_of(fd).discarded_pages == before.discarded_pages + 4, "STATE: discarded pages");
	next.start = (uint64_t)p;
	check(!ioctl(fd, MITOSIS_IOC_NEXT, &next) && next.start == (uint64_t)p && next.pages == 5, "NEXT: a run");
	next.start = (uint64_t)(p + 5);
	check(!ioctl(fd, MITOSIS_IOC_NEXT, &next) && next.start == (uint64_t)(p + 10) && next.pages == 11,
	      "NEXT: not what was discarded");
	next.start = BASE + PAGES * PAGE;
	check(!ioctl(fd, MITOSIS_IOC_NEXT, &next) && !next.start && !next.pages, "NEXT: the end");
	next.start = 1;
	check(ioctl(fd, MITOSIS_IOC_NEXT, &next) == -1 && errno == EINVAL, "NEXT: not a page");
	check(!poll(&poller, 1, 0), "poll()");
	check(ioctl(fd, MITOSIS_IOC_SNAPSHOT, &next) == -1 && errno == ENOTTY, "a command of the other descriptor");
}

/* With a structure of this size, in which the byte behind the known part is what behind says: 0 or errno. */
static int sized(int f, unsigned long command, size_t known, uint32_t size, char behind)
{
	static union { uint32_t size; char bytes[2 * PAGE]; } argument;

	memset(&argument, 0, sizeof(argument));
	argument.size = size;
	argument.bytes[known] = behind;
	return ioctl(f, command, &argument) == -1 ? errno : 0;
}

/* What copy_struct_from_user() says of sizes, on both descriptors. */
static void sizes(void)
{
	int device = open(MITOSIS_DEVICE_PATH, O_RDWR | O_CLOEXEC);
	const struct { const char *name; int fd; unsigned long command; size_t known; } asked[] = {
		{ "INFO", device, MITOSIS_IOC_INFO, sizeof(struct mitosis_ioc_info) },
		{ "STATE", fd, MITOSIS_IOC_STATE, sizeof(struct mitosis_ioc_state) },
		{ "NEXT", fd, MITOSIS_IOC_NEXT, sizeof(struct mitosis_ioc_next) },
	};

	need(device >= 0, MITOSIS_DEVICE_PATH);
	for (size_t i = 0; i < sizeof(asked) / sizeof(*asked); i++) {
		uint32_t known = (uint32_t)asked[i].known;
		int f = asked[i].fd;

		check(sized(f, asked[i].command, known, known - 8, 0) == EINVAL, "%s: too small", asked[i].name);
		check(!sized(f, asked[i].command, known, known + 8, 0), "%s: larger, zeros behind", asked[i].name);
		check(sized(f, asked[i].command, known, known + 8, 1) == E2BIG, "%s: larger, something behind",
		      asked[i].name);
		check(sized(f, asked[i].command, known, PAGE + 8, 0) == E2BIG, "%s: larger than a page",
		      asked[i].name);
	}
	close(device);
}

static void recorded(void)
{
	static const unsigned int order[] = { 700, 3, 512, 4, 1023, 90 };
	enum { COUNT = sizeof(order) / sizeof(*order) };
	struct mitosis_ioc_recorded io = { .size = sizeof(io) };
	struct mitosis_ioc_open usual = opened;
	uint64_t address = BASE + areas_used++ * AREA * PAGE, addresses[COUNT + 4] = { 0 };
	bool good = true;
	page_t *p;
	int f;

	if (!(opened.flags & MITOSIS_OPEN_RECORD))
		check(ioctl(fd, MITOSIS_IOC_RECORDED, &io) == -1 && errno == EINVAL, "RECORDED where nothing is");
	opened.flags |= MITOSIS_OPEN_RECORD;
	f = open_again();
	opened = usual;
	p = map(f, address, AREA);
	for (int i = 0; i < COUNT; i++) {
		if (i % 2)
			p[order[i]][0] = 1;
		else
			good = intact(p + order[i]) && good;
		is_zero(p + 5);
		discard(p + order[i], 1);
		good = is_zero(p + order[i]) && good;
	}
	check(good, "recording disturbs nothing");
	io.addresses = (uintptr_t)addresses;
	io.count = COUNT + 4;
	need(!ioctl(f, MITOSIS_IOC_RECORDED, &io), "MITOSIS_IOC_RECORDED");
	good = io.count == COUNT && io.total == COUNT;
	for (int i = 0; i < COUNT; i++)
		good = good && addresses[i] == (uint64_t)(p + order[i]);
	check(good, "RECORDED: the pages in the order of their first touch");
	io.first = 2;
	io.count = 1;
	check(!ioctl(f, MITOSIS_IOC_RECORDED, &io) && io.count == 1 && io.total == COUNT &&
	      addresses[0] == (uint64_t)(p + order[2]), "RECORDED: from the third on");
	munmap((void *)p, AREA * PAGE);
	close(f);
}

/* What the kernel leaves out reads as zeros in the core file; nothing is fetched for it. */
static void core_dump(void)
{
	char old[200] = "", directory[] = "/tmp/semantics.XXXXXX", pattern[200];
	page_t *p = take();
	struct mitosis_ioc_state before;
	struct stat st;
	int f = open("/proc/sys/kernel/core_pattern", O_RDONLY | O_CLOEXEC), status;
	pid_t pid;

	need(f >= 0 && read(f, old, sizeof(old) - 1) > 0, "core_pattern");
	close(f);
	need(mkdtemp(directory), directory);
	snprintf(pattern, sizeof(pattern), "%s/core", directory);
	if (!write_file("/proc/sys/kernel/core_pattern", pattern)) {
		skip("a core dump", strerror(errno));
		rmdir(directory);
		return;
	}
	p[0][0] = 1;
	before = state_of(fd);
	pid = fork();
	need(pid >= 0, "fork");
	if (!pid) {
		struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };

		setrlimit(RLIMIT_CORE, &limit);
		abort();
	}
	waitpid(pid, &status, 0);
	/* %p is appended where core_uses_pid is set. */
	if (stat(pattern, &st))
		snprintf(pattern, sizeof(pattern), "%s/core.%d", directory, pid);
	check(WCOREDUMP(status) && !stat(pattern, &st) && st.st_size > (off_t)(AREA * PAGE), "a core dump");
	check(state_of(fd).read_pages == before.read_pages, "a core dump fetches nothing: %llu pages",
	      (unsigned long long)(state_of(fd).read_pages - before.read_pages));
	unlink(pattern);
	rmdir(directory);
	write_file("/proc/sys/kernel/core_pattern", old);
}

static int run_checks(void)
{
	plain();
	dontneed();
	other_advice();
	pressure();
	swap();
	protection();
	forked();
	fork_race();
	fork_signals();
	moved();
	grown();
	replaced();
	system_calls();
	rings();
	other_door();
	threads();
	discard_race();
	write_race();
	if (mode == OPENED) {
		siblings();
		mappings();
		questions();
		sizes();
		recorded();
		core_dump();
		read_through();
	}
	small_cgroup();
	printf("%s\n", wrong ? "WRONG" : "all right");
	return wrong != 0;
}

/* Where the memory comes from. */

static void make_pattern(void)
{
	void *p = mmap((void *)BASE, PAGES * PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_NORESERVE, -1, 0);

	need(p == (void *)BASE, "mmap");
	/* A huge page would bring the absent pages into being. */
	madvise(p, PAGES * PAGE, MADV_NOHUGEPAGE);
	fill(p, PAGES);
}

static int parent(void)
{
	struct mitosis_ioc_range range = { BASE, PAGES };
	struct mitosis_ioc_snapshot io = {
		.size = sizeof(io), .ranges = (uintptr_t)&range, .range_count = 1,
	};
	struct sockaddr_in address;
	char text[INET_ADDRSTRLEN], byte;
	int device = open(MITOSIS_DEVICE_PATH, O_RDWR | O_CLOEXEC);

	need(device >= 0, MITOSIS_DEVICE_PATH);
	make_pattern();
	need(getrandom(io.uuid, sizeof(io.uuid), 0) == sizeof(io.uuid), "getrandom");
	need(!ioctl(device, MITOSIS_IOC_SNAPSHOT, &io), "MITOSIS_IOC_SNAPSHOT");
	memcpy(&address, io.endpoint.sockaddr, sizeof(address));
	need(address.sin_family == AF_INET && inet_ntop(AF_INET, &address.sin_addr, text, sizeof(text)), "endpoint");
	for (unsigned int i = 0; i < sizeof(io.uuid); i++)
		printf("%02x", io.uuid[i]);
	printf(" %s %u\n", text, ntohs(address.sin_port));
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return 0;
}

static void open_snapshot(const char *uuid, const char *address, const char *port)
{
	const char *flags = getenv("SEMANTICS_FLAGS"), *window = getenv("SEMANTICS_WINDOW");
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };

	opened.size = sizeof(opened);
	opened.flags = flags && *flags ? strtoul(flags, NULL, 0) : 0;
	opened.window = window && *window ? strtoul(window, NULL, 0) : MITOSIS_WINDOW_DEFAULT;
	errno = EINVAL;
	for (unsigned int i = 0; i < sizeof(opened.uuid); i++)
		need(sscanf(uuid + 2 * i, "%2hhx", &opened.uuid[i]) == 1, uuid);
	need(inet_pton(AF_INET, address, &to.sin_addr) == 1, address);
	memcpy(opened.endpoint.sockaddr, &to, sizeof(to));
	opened.endpoint.length = sizeof(to);
	fd = open_again();
	mode = OPENED;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (!strcmp(what, "parent") && argc == 2)
		return parent();
	if (!strcmp(what, "open") && argc == 5) {
		open_snapshot(argv[2], argv[3], argv[4]);
	} else if (!strcmp(what, "anonymous") && argc == 2) {
		make_pattern();
	} else if (!strcmp(what, "memory") && argc == 2) {
		mode = MEMORY;
	} else {
		fprintf(stderr, "usage: semantics anonymous|parent|memory|open UUID ADDRESS PORT\n");
		return 2;
	}
	return run_checks();
}
