// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * state-traps.c - what a child may do to memory that is still at its parent's host.
 *
 * Each state has pages that were fetched and pages that were not when the child acts on them; which
 * is which depends on the way of fetching, and the bytes must be right in every one.
 */
#include "state.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGES 256UL
#define BYTES (PAGES * PAGE)

static char *area[8];

static void build_areas(void)
{
	for (int i = 0; i < 8; i++) {
		/* A page without permissions between two areas keeps them from merging. */
		char *p = map_pages(PAGES + 2);

		CHECK(!mprotect(p, PAGE, PROT_NONE));
		CHECK(!mprotect(p + (PAGES + 1) * PAGE, PAGE, PROT_NONE));
		area[i] = p + PAGE;
		fill(area[i], BYTES, (uint64_t)i + 1);
	}
}

static void check_area(int i)
{
	CHECK_FILLED(area[i], BYTES, (uint64_t)i + 1);
}

/* ---- MADV_DONTNEED ---- */

static void verify_dontneed(void)
{
	/* Pages 0..31 fetched, the others maybe not. */
	CHECK_FILLED(area[0], 32 * PAGE, 1);
	CHECK(!madvise(area[0] + 16 * PAGE, 32 * PAGE, MADV_DONTNEED));
	CHECK_ZERO(area[0] + 16 * PAGE, 32 * PAGE);
	CHECK_FILLED(area[0], 16 * PAGE, 1);
	CHECK_FILLED_FROM(area[0] + 48 * PAGE, BYTES - 48 * PAGE, 1, 48 * PAGE);
	/* A whole area that was never touched. */
	CHECK(!madvise(area[1], BYTES, MADV_DONTNEED));
	CHECK_ZERO(area[1], BYTES);
	fill(area[1], BYTES, 77);
	CHECK_FILLED(area[1], BYTES, 77);
	CHECK(!madvise(area[1], BYTES, MADV_DONTNEED));
	CHECK_ZERO(area[1], BYTES);
	/* Every second page. */
	for (unsigned int i = 0; i < PAGES; i += 2)
		CHECK(!madvise(area[2] + i * PAGE, PAGE, MADV_DONTNEED));
	for (unsigned int i = 0; i < PAGES; i += 2) {
		CHECK_ZERO(area[2] + i * PAGE, PAGE);
		CHECK_FILLED_FROM(area[2] + (i + 1) * PAGE, PAGE, 3, (i + 1) * PAGE);
	}
	/* Written over first, then thrown away. */
	fill(area[3], 8 * PAGE, 78);
	CHECK(!madvise(area[3], 8 * PAGE, MADV_DONTNEED));
	CHECK_ZERO(area[3], 8 * PAGE);
	CHECK_FILLED_FROM(area[3] + 8 * PAGE, BYTES - 8 * PAGE, 4, 8 * PAGE);
	/*
	 * MADV_FREE leaves the bytes or gives zeros, page by page, and nothing else. The mappings of engine
	 * kernel refuse it.
	 */
	CHECK(!madvise(area[4], BYTES, MADV_FREE) || (errno == EINVAL && state_engine_is("kernel")));
	for (unsigned int i = 0; i < PAGES; i++) {
		if (*(volatile uint64_t *)(area[4] + i * PAGE))
			CHECK_FILLED_FROM(area[4] + i * PAGE, PAGE, 5, i * PAGE);
		else
			CHECK_ZERO(area[4] + i * PAGE, PAGE);
	}
	fill(area[4], BYTES, 79);
	CHECK_FILLED(area[4], BYTES, 79);
	check_area(5);
}

/* ---- mremap ---- */

static char *move(char *from, uint64_t old, uint64_t new, int flags, char *to)
{
	char *p = mremap(from, old, new, flags, to);

	if (p == MAP_FAILED)
		FAIL("mremap: %s", strerror(errno));
	return p;
}

static void verify_mremap(void)
{
	char *to, *p;

	/* Moved before it was touched, elsewhere. */
	to = map_pages(PAGES);
	p = move(area[0], BYTES, BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	CHECK(p == to);
	CHECK_FILLED(p, BYTES, 1);
	/* A new mapping at the old place holds zeros. */
	p = mmap(area[0], BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	CHECK(p == area[0]);
	CHECK_ZERO(p, BYTES);

	/* Moved and grown: the rest is zeros. */
	p = move(area[1], BYTES, 2 * BYTES, MREMAP_MAYMOVE, NULL);
	CHECK(p != area[1]);
	CHECK_FILLED(p, BYTES, 2);
	CHECK_ZERO(p + BYTES, BYTES);

	/* Half of it touched, moved to and fro. */
	CHECK_FILLED(area[2], BYTES / 2, 3);
	to = map_pages(PAGES);
	p = move(area[2], BYTES, BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	p = move(p, BYTES, BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, area[2]);
	check_area(2);

	/* Shrunk, then grown again: what was cut off is zeros. */
	p = move(area[3], BYTES, BYTES / 2, 0, NULL);
	CHECK(p == area[3]);
	p = move(p, BYTES / 2, BYTES, MREMAP_MAYMOVE, NULL);
	CHECK_FILLED(p, BYTES / 2, 4);
	CHECK_ZERO(p + BYTES / 2, BYTES / 2);

	/* Over another area that is missing as well: that one is gone. */
	p = move(area[4], BYTES, BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, area[5]);
	CHECK(p == area[5]);
	CHECK_FILLED(p, BYTES, 5);

	/* A piece from the middle. */
	to = map_pages(PAGES);
	p = move(area[6] + 64 * PAGE, 64 * PAGE, 64 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	CHECK_FILLED_FROM(p, 64 * PAGE, 7, 64 * PAGE);
	CHECK_FILLED(area[6], 64 * PAGE, 7);
	CHECK_FILLED_FROM(area[6] + 128 * PAGE, BYTES - 128 * PAGE, 7, 128 * PAGE);

#ifdef MREMAP_DONTUNMAP
	/* The old place stays mapped, and holds zeros. */
	p = mremap(area[7], BYTES, BYTES, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
	if (p != MAP_FAILED) {
		CHECK_ZERO(area[7], BYTES);
		CHECK_FILLED(p, BYTES, 8);
		fill(area[7], BYTES, 80);
		CHECK_FILLED(area[7], BYTES, 80);
		CHECK_FILLED(p, BYTES, 8);
	}
#endif
}

/* Moved areas and a DONTNEED or a munmap of a piece afterwards. */
static void verify_mremap_discard(void)
{
	char *p = map_pages(3 * PAGES), *q;

	p = move(area[0], BYTES, BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, p + BYTES);
	CHECK(!madvise(p + 32 * PAGE, 32 * PAGE, MADV_DONTNEED));
	CHECK_ZERO(p + 32 * PAGE, 32 * PAGE);
	CHECK_FILLED(p, 32 * PAGE, 1);
	CHECK(!munmap(p + 128 * PAGE, 32 * PAGE));
	q = mmap(p + 128 * PAGE, 32 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
		 -1, 0);
	CHECK(q == p + 128 * PAGE);
	CHECK_ZERO(q, 32 * PAGE);
	CHECK_FILLED_FROM(p + 64 * PAGE, 64 * PAGE, 1, 64 * PAGE);
	CHECK_FILLED_FROM(p + 160 * PAGE, BYTES - 160 * PAGE, 1, 160 * PAGE);
	/* Two areas change places. */
	q = map_pages(PAGES);
	q = move(area[1], BYTES, BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, q);
	p = move(area[2], BYTES, BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, area[1]);
	q = move(q, BYTES, BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, area[2]);
	CHECK_FILLED(area[2], BYTES, 2);
	CHECK_FILLED(area[1], BYTES, 3);
	/* Untouched elsewhere. */
	check_area(3);
	check_area(7);
}

/* ---- munmap ---- */

static void verify_munmap(void)
{
	char *p;

	CHECK_FILLED(area[0], 64 * PAGE, 1);
	CHECK(!munmap(area[0], BYTES));
	p = mmap(area[0], BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	CHECK(p == area[0]);
	CHECK_ZERO(p, BYTES);
	/* A mapping over the old one, without munmap. */
	p = mmap(area[1], BYTES / 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	CHECK(p == area[1]);
	CHECK_ZERO(p, BYTES / 2);
	CHECK_FILLED_FROM(p + BYTES / 2, BYTES / 2, 2, BYTES / 2);
	/* A hole in the middle. */
	CHECK(!munmap(area[2] + 100 * PAGE, PAGE));
	CHECK_FILLED(area[2], 100 * PAGE, 3);
	CHECK_FILLED_FROM(area[2] + 101 * PAGE, BYTES - 101 * PAGE, 3, 101 * PAGE);
	check_area(3);
}

/* ---- system calls that touch missing pages in the kernel ---- */

static void verify_kernel_access(void)
{
	static char copy[16 * PAGE];
	int pipes[2];

	CHECK(!pipe(pipes));
	CHECK(write(pipes[1], area[0] + 100 * PAGE + 8, PAGE) == (long)PAGE);
	CHECK(read(pipes[0], area[1] + 50 * PAGE + 16, PAGE) == (long)PAGE);
	CHECK_FILLED_FROM(area[1] + 50 * PAGE + 16, PAGE, 1, 100 * PAGE + 8);
	CHECK_FILLED(area[1], 50 * PAGE + 16, 2);
	CHECK_FILLED_FROM(area[1] + 51 * PAGE + 16, BYTES - 51 * PAGE - 16, 2, 51 * PAGE + 16);
	memcpy(copy, area[2] + 16 * PAGE, sizeof(copy));
	CHECK_FILLED_FROM(copy, sizeof(copy), 3, 16 * PAGE);
	CHECK(!mprotect(area[3], BYTES, PROT_READ));
	check_area(3);
	CHECK(!mprotect(area[3], BYTES, PROT_READ | PROT_WRITE));
	area[3][5 * PAGE] ^= 1;
	area[3][5 * PAGE] ^= 1;
	check_area(3);
	CHECK(!mlock(area[4], 64 * PAGE) || errno == ENOMEM || errno == EPERM);
	check_area(4);
	close(pipes[0]);
	close(pipes[1]);
}

/* ---- fork ---- */

static void in_fork_child(void)
{
	for (int i = 0; i < 8; i++)
		check_area(i);
	_exit(0);
}

static void verify_fork(void)
{
	struct mitosis_child_stats stats = { .size = sizeof(stats) };
	int pid;

	CHECK_FILLED(area[0], 8 * PAGE, 1);
	CHECK(!madvise(area[1], BYTES, MADV_DONTNEED));
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		CHECK_ZERO(area[1], BYTES);
		fill(area[1], BYTES, 2);
		/* And again, below it. */
		pid = fork();
		if (!pid)
			in_fork_child();
		check_exit(pid);
		in_fork_child();
	}
	check_exit(pid);
	/* Engine kernel fetches nothing before a fork. */
	CHECK(!mitosis_stats(&stats));
	if (!state_engine_is("kernel"))
		CHECK_EQUAL(stats.missing_pages, 0);
	CHECK_ZERO(area[1], BYTES);
	fill(area[1], BYTES, 2);
	pid = fork();
	if (!pid)
		in_fork_child();
	check_exit(pid);
	for (int i = 0; i < 8; i++)
		check_area(i);
}

/*
 * A copy that the library does not see: it may find all the right bytes or die, but it must not
 * find others.
 */
static void verify_raw_clone(void)
{
	struct rlimit_none { uint64_t soft, hard; } none = { 0, 0 };
	int status;
	long pid;

	CHECK_FILLED(area[0], 8 * PAGE, 1);
	pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (!pid) {
		syscall(SYS_prlimit64, 0, 4 /* RLIMIT_CORE */, &none, NULL);
		for (int i = 0; i < 8; i++) {
			const volatile uint64_t *word = (void *)area[i];
			uint64_t first = word[0];

			CHECK(first);
			check_area(i);
		}
		_exit(42);
	}
	CHECK(pid > 0);
	CHECK(waitpid((int)pid, &status, 0) == pid);
	if (!(WIFEXITED(status) && WEXITSTATUS(status) == 42) && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV))
		FAIL("raw clone ended with wait status 0x%x", (unsigned int)status);
	for (int i = 0; i < 8; i++)
		check_area(i);
}

/* posix_spawn, system and popen share the memory until exec: nothing is copied. */
static void verify_spawn(void)
{
	char line[64];
	FILE *f;

	CHECK_FILLED(area[0], 8 * PAGE, 1);
	CHECK_EQUAL(system("exit 7"), 7 << 8);
	f = popen("echo spawned", "r");
	CHECK(f && fgets(line, sizeof(line), f) && !strcmp(line, "spawned\n"));
	CHECK(!pclose(f));
	for (int i = 0; i < 8; i++)
		check_area(i);
}

/* Two threads that fork at the same moment, the memory still missing. */
static void *fork_thread(void *arg)
{
	pthread_barrier_wait(arg);
	for (int i = 0; i < 4; i++) {
		int pid = fork();

		CHECK(pid >= 0);
		if (!pid)
			in_fork_child();
		check_exit(pid);
	}
	return NULL;
}

static void verify_fork_threads(void)
{
	pthread_barrier_t barrier;
	pthread_t t[4];

	pthread_barrier_init(&barrier, NULL, 4);
	for (int i = 0; i < 4; i++)
		CHECK(!pthread_create(&t[i], NULL, fork_thread, &barrier));
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	for (int i = 0; i < 8; i++)
		check_area(i);
}

/* ---- threads ---- */

static atomic_bool stop;

/* Reads areas 0 to 3 over and over, at random. */
static void *reader(void *arg)
{
	uint64_t random = (uint64_t)(uintptr_t)arg * 7919 + 1;

	for (int n = 0; n < 4000 && !stop; n++) {
		uint64_t i = random_next(&random) % 4, page = random_next(&random) % PAGES;

		CHECK_FILLED_FROM(area[i] + page * PAGE, 64, i + 1, page * PAGE);
	}
	return NULL;
}

/* Meanwhile: throws pages of area 4 away and finds zeros, at once and every time. */
static void *discarder(void *arg)
{
	uint64_t random = 4711;

	for (int n = 0; n < 400; n++) {
		uint64_t page = random_next(&random) % (PAGES - 4), pages = 1 + random_next(&random) % 4;

		CHECK(!madvise(area[4] + page * PAGE, pages * PAGE, MADV_DONTNEED));
		CHECK_ZERO(area[4] + page * PAGE, pages * PAGE);
	}
	for (unsigned int i = 0; i < PAGES; i++) {
		if (*(volatile uint64_t *)(area[4] + i * PAGE))
			CHECK_FILLED_FROM(area[4] + i * PAGE, PAGE, 5, i * PAGE);
		else
			CHECK_ZERO(area[4] + i * PAGE, PAGE);
	}
	return NULL;
}

/* Meanwhile: moves area 5 about and reads a little of it at each place. */
static void *mover(void *arg)
{
	uint64_t random = 815;
	char *p = area[5], *places[2] = { map_pages(PAGES), map_pages(PAGES) };

	for (int n = 0; n < 100; n++) {
		uint64_t page = random_next(&random) % PAGES;

		p = move(p, BYTES, BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, places[n & 1]);
		CHECK_FILLED_FROM(p + page * PAGE, PAGE, 6, page * PAGE);
	}
	CHECK_FILLED(p, BYTES, 6);
	return NULL;
}

static void verify_threads(void)
{
	pthread_t t[6];

	stop = false;
	for (uintptr_t i = 0; i < 4; i++)
		CHECK(!pthread_create(&t[i], NULL, reader, (void *)i));
	CHECK(!pthread_create(&t[4], NULL, discarder, NULL));
	CHECK(!pthread_create(&t[5], NULL, mover, NULL));
	pthread_join(t[4], NULL);
	pthread_join(t[5], NULL);
	stop = true;
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	for (int i = 0; i < 4; i++)
		check_area(i);
	check_area(6);
	check_area(7);
}

/*
 * Several threads grow and shrink big blocks of their own, so that one may get the place that
 * another has just left: what realloc(3) does in a threaded program.
 */
static void *resizer(void *arg)
{
	uintptr_t i = (uintptr_t)arg;
	uint64_t random = i * 104729 + 17, size = PAGES;
	char *p = area[i];

	for (int n = 0; n < 200; n++) {
		uint64_t page = random_next(&random) % PAGES, next = PAGES + 1 + random_next(&random) % 32;

		p = move(p, size * PAGE, next * PAGE, MREMAP_MAYMOVE, NULL);
		size = next;
		CHECK_FILLED_FROM(p + page * PAGE, 64, i + 1, page * PAGE);
	}
	CHECK_FILLED(p, BYTES, i + 1);
	return NULL;
}

static void verify_threads_resize(void)
{
	pthread_t t[8];

	for (uintptr_t i = 0; i < 8; i++)
		CHECK(!pthread_create(&t[i], NULL, resizer, (void *)i));
	for (int i = 0; i < 8; i++)
		pthread_join(t[i], NULL);
}

/*
 * Areas that wander through a few shared places: a thread moves its area away, and another one
 * moves its own into the place that became free, as soon as the first mremap has returned or even
 * before.
 */
static char *wander_place[9];
static atomic_int wander_free[9];

static void *wanderer(void *arg)
{
	uintptr_t i = (uintptr_t)arg;
	uint64_t random = i * 65537 + 3;
	int at = (int)i;

	for (int n = 0; n < 300; n++) {
		uint64_t page = random_next(&random) % PAGES;
		int to = (int)(random_next(&random) % 9), yes = 1;

		if (to == at || !atomic_compare_exchange_strong(&wander_free[to], &yes, 0))
			continue;
		move(wander_place[at], BYTES, BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, wander_place[to]);
		wander_free[at] = 1;
		at = to;
		CHECK_FILLED_FROM(wander_place[at] + page * PAGE, 64, i + 1, page * PAGE);
	}
	CHECK_FILLED(wander_place[at], BYTES, i + 1);
	return NULL;
}

static void verify_threads_wander(void)
{
	pthread_t t[8];

	for (int i = 0; i < 9; i++) {
		wander_place[i] = i < 8 ? area[i] : map_pages(PAGES);
		wander_free[i] = i == 8;
	}
	for (uintptr_t i = 0; i < 8; i++)
		CHECK(!pthread_create(&t[i], NULL, wanderer, (void *)i));
	for (int i = 0; i < 8; i++)
		pthread_join(t[i], NULL);
}

/* Many threads that fault on the same pages at the same moment, reading and writing. */
static void *same_page(void *arg)
{
	uintptr_t i = (uintptr_t)arg;

	for (unsigned int page = 0; page < PAGES; page++) {
		volatile uint64_t *mine = (uint64_t *)(area[0] + page * PAGE) + 8 + i;

		CHECK_FILLED_FROM(area[0] + page * PAGE, 64, 1, page * PAGE);
		*mine = page * 100 + i;
	}
	return NULL;
}

static void verify_threads_same(void)
{
	pthread_t t[8];

	for (uintptr_t i = 0; i < 8; i++)
		CHECK(!pthread_create(&t[i], NULL, same_page, (void *)i));
	for (int i = 0; i < 8; i++)
		pthread_join(t[i], NULL);
	for (unsigned int page = 0; page < PAGES; page++) {
		const uint64_t *word = (uint64_t *)(area[0] + page * PAGE) + 8;

		for (unsigned int i = 0; i < 8; i++)
			CHECK_EQUAL(word[i], page * 100 + i);
		CHECK_FILLED_FROM(area[0] + page * PAGE + 128, PAGE - 128, 1, page * PAGE + 128);
	}
}

/* ---- the pager's own doing, against the child's ---- */

/* The first thing a child does is to throw memory away that the background is bringing. */
static void verify_push_race(void)
{
	for (unsigned int k = 0; k < PAGES; k += 8) {
		for (int i = 0; i < 8; i++)
			CHECK(!madvise(area[i] + k * PAGE, 4 * PAGE, MADV_DONTNEED));
		for (int i = 0; i < 8; i++) {
			CHECK_ZERO(area[i] + k * PAGE, 4 * PAGE);
			CHECK_FILLED_FROM(area[i] + (k + 4) * PAGE, PAGE, (uint64_t)i + 1, (k + 4) * PAGE);
		}
	}
	CHECK(!mitosis_drain());
	for (int i = 0; i < 8; i++)
		for (unsigned int k = 0; k < PAGES; k += 8) {
			CHECK_ZERO(area[i] + k * PAGE, 4 * PAGE);
			CHECK_FILLED_FROM(area[i] + (k + 4) * PAGE, 4 * PAGE, (uint64_t)i + 1, (k + 4) * PAGE);
		}
}

/* After a drain the child depends on nobody; memory behaves as before. */
static void verify_drain(void)
{
	struct mitosis_child_stats stats = { .size = sizeof(stats) };
	char *p;

	CHECK(!mitosis_drain());
	CHECK(!mitosis_drain());
	CHECK(!mitosis_stats(&stats));
	CHECK_EQUAL(stats.missing_pages, 0);
	for (int i = 0; i < 8; i++)
		check_area(i);
	CHECK(!madvise(area[0], BYTES, MADV_DONTNEED));
	CHECK_ZERO(area[0], BYTES);
	p = move(area[1], BYTES, 2 * BYTES, MREMAP_MAYMOVE, NULL);
	CHECK_FILLED(p, BYTES, 2);
	CHECK_ZERO(p + BYTES, BYTES);
}

/* ---- for the tests that end one of the processes ---- */

/* Goes through its memory again and again, a page each millisecond; never ends by itself. */
static void verify_slow(void)
{
	printf("running %d\n", getpid());
	fflush(stdout);
	for (uint64_t n = 0;; n++) {
		uint64_t i = n / PAGES % 8, page = n % PAGES;

		CHECK_FILLED_FROM(area[i] + page * PAGE, PAGE, i + 1, page * PAGE);
		usleep(1000);
	}
}

/* Waits for a signal, then reads everything. */
static void verify_wait(void)
{
	sigset_t usr1;
	int signo;

	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	printf("running %d\n", getpid());
	fflush(stdout);
	sigwait(&usr1, &signo);
	for (int i = 0; i < 8; i++)
		check_area(i);
}

/* Reads everything and stays until its standard input ends, so that it can be looked at. */
static void verify_shared(void)
{
	char c;

	for (int i = 0; i < 8; i++)
		check_area(i);
	printf("checked %d\n", getpid());
	fflush(stdout);
	while (read(0, &c, 1) > 0)
		;
}

const struct state trap_states[] = {
	{ "dontneed", "MADV_DONTNEED and MADV_FREE on pages that are here or not",
	  build_areas, NULL, verify_dontneed },
	{ "mremap", "mremap of pages that are here or not: moved, grown, shrunk, over others",
	  build_areas, NULL, verify_mremap },
	{ "mremap-discard", "moved areas that are discarded, unmapped, exchanged",
	  build_areas, NULL, verify_mremap_discard },
	{ "munmap", "munmap, and new mappings at the old place",
	  build_areas, NULL, verify_munmap },
	{ "kernel-access", "system calls that read and write missing pages",
	  build_areas, NULL, verify_kernel_access },
	{ "fork", "fork in a child, and below it",
	  build_areas, NULL, verify_fork },
	{ "fork-threads", "several threads that fork at once",
	  build_areas, NULL, verify_fork_threads },
	{ "raw-clone", "a copy made behind the library's back never sees wrong bytes",
	  build_areas, NULL, verify_raw_clone },
	{ "spawn", "system, popen and posix_spawn",
	  build_areas, NULL, verify_spawn },
	{ "threads", "threads that read while others discard and move",
	  build_areas, NULL, verify_threads },
	{ "threads-resize", "threads that grow and shrink blocks of their own",
	  build_areas, NULL, verify_threads_resize },
	{ "threads-wander", "threads that move areas into places that others have just left",
	  build_areas, NULL, verify_threads_wander },
	{ "threads-same", "threads that wait for the same pages",
	  build_areas, NULL, verify_threads_same },
	{ "push-race", "memory that is discarded while the background brings it",
	  build_areas, NULL, verify_push_race },
	{ "drain", "a child that fetches everything and depends on nobody",
	  build_areas, NULL, verify_drain },
	{ "slow", "goes through its memory for ever: other tests end one of the processes",
	  build_areas, NULL, verify_slow },
	{ "wait", "waits for a signal, then reads everything: for other tests",
	  build_areas, NULL, verify_wait },
	{ "shared", "reads everything and stays: for other tests",
	  build_areas, NULL, verify_shared },
	{ 0 },
};
