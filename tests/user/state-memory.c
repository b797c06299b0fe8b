// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* state-memory.c - memory of every kind, as the parent left it. */
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MIB (1UL << 20)

/* Does reading (or writing) this byte raise SIGSEGV? */
static sigjmp_buf after_fault;

static void on_fault(int signo)
{
	siglongjmp(after_fault, 1);
}

static bool faults(volatile char *p, bool write)
{
	struct sigaction action = { .sa_handler = on_fault }, old;
	volatile bool fault = true;

	sigaction(SIGSEGV, &action, &old);
	if (!sigsetjmp(after_fault, 1)) {
		char c = *p;

		if (write)
			*p = c;
		fault = false;
	}
	sigaction(SIGSEGV, &old, NULL);
	return fault;
}

/* ---- data ---- */

static char in_bss[300 * PAGE];
static uint64_t in_data[512] = { 1, 2, 3 };
static const char *const in_relro[] = { "one", "two", "three" };

static void build_data(void)
{
	fill(in_bss, sizeof(in_bss), 1);
	in_data[511] = 0x5555;
}

static void verify_data(void)
{
	CHECK_FILLED(in_bss, sizeof(in_bss), 1);
	CHECK_EQUAL(in_data[1], 2);
	CHECK_EQUAL(in_data[511], 0x5555);
	CHECK(!strcmp(in_relro[2], "three"));
	fill(in_bss, sizeof(in_bss), 2);
	CHECK_FILLED(in_bss, sizeof(in_bss), 2);
}

/* ---- malloc ---- */

#define BLOCKS 400
static char *block[BLOCKS], *big, *huge;

static uint64_t block_size(int i)
{
	return (uint64_t)(i * 37 % 900 + 1) * 8;
}

static void build_malloc(void)
{
	for (int i = 0; i < BLOCKS; i++) {
		block[i] = malloc(block_size(i));
		fill(block[i], block_size(i), (uint64_t)i);
	}
	for (int i = 0; i < BLOCKS; i += 3) {
		free(block[i]);
		block[i] = NULL;
	}
	big = malloc(MIB / 4);
	fill(big, MIB / 4, 1000);
	huge = malloc(2 * MIB);
	fill(huge, 2 * MIB, 1001);
}

static void verify_malloc(void)
{
	/* The allocator finds its lists before anything else has been looked at. */
	for (int i = 0; i < BLOCKS; i += 3) {
		block[i] = malloc(block_size(i));
		fill(block[i], block_size(i), (uint64_t)i);
	}
	big = realloc(big, 2 * MIB);
	CHECK(big);
	CHECK_FILLED(big, MIB / 4, 1000);
	huge = realloc(huge, 8 * MIB);
	CHECK(huge);
	CHECK_FILLED(huge, 2 * MIB, 1001);
	fill(huge, 8 * MIB, 1002);
	huge = realloc(huge, MIB);
	CHECK_FILLED(huge, MIB, 1002);
	for (int i = 0; i < BLOCKS; i++) {
		CHECK_FILLED(block[i], block_size(i), (uint64_t)i);
		free(block[i]);
	}
	free(big);
	free(huge);
	CHECK(malloc_trim(0) >= 0);
	for (int i = 0; i < 300; i++)
		block[i % BLOCKS] = memset(malloc((size_t)i * 100 + 1), i, (size_t)i * 100 + 1);
}

/* ---- brk ---- */

static char *heap;

static void build_brk(void)
{
	heap = sbrk(4 * MIB);
	CHECK(heap != (void *)-1);
	fill(heap, 4 * MIB, 1);
}

static void verify_brk(void)
{
	CHECK(sbrk(0) >= (void *)(heap + 4 * MIB));
	char *more = sbrk(2 * MIB);

	CHECK(more != (void *)-1);
	CHECK_ZERO(more, 2 * MIB);
	fill(more, 2 * MIB, 2);
	CHECK_FILLED(heap, 4 * MIB, 1);
	CHECK_FILLED(more, 2 * MIB, 2);
	CHECK(!brk(more));
	CHECK(faults(more, false));
	CHECK(!brk(heap + 2 * MIB));
	CHECK(faults(heap + 2 * MIB, false));
	CHECK(!brk(heap + 4 * MIB));
	CHECK_ZERO(heap + 2 * MIB, 2 * MIB);
	CHECK_FILLED(heap, 2 * MIB, 1);
}

/* ---- mmap ---- */

static char *mapped[64];

static void build_mmap(void)
{
	for (uint64_t i = 0; i < 64; i++) {
		mapped[i] = map_pages(i + 1);
		fill(mapped[i], (i + 1) * PAGE, i);
	}
}

static void verify_mmap(void)
{
	char *fresh[64];

	for (uint64_t i = 0; i < 64; i++) {
		fresh[i] = map_pages(64 - i);
		for (uint64_t k = 0; k < 64; k++)
			CHECK(fresh[i] + (64 - i) * PAGE <= mapped[k] || mapped[k] + (k + 1) * PAGE <= fresh[i]);
		CHECK_ZERO(fresh[i], (64 - i) * PAGE);
		fill(fresh[i], (64 - i) * PAGE, 100 + i);
	}
	for (uint64_t i = 0; i < 64; i++) {
		CHECK_FILLED(mapped[i], (i + 1) * PAGE, i);
		CHECK_FILLED(fresh[i], (64 - i) * PAGE, 100 + i);
		CHECK(!munmap(fresh[i], (64 - i) * PAGE));
	}
}

/* ---- zeros ---- */

static char *zeros;

static void build_zeros(void)
{
	zeros = map_pages(400);
	/* Read only; written with zeros; written; never touched. */
	for (unsigned int i = 0; i < 100; i++)
		CHECK(!*(volatile char *)(zeros + i * PAGE));
	memset(zeros + 100 * PAGE, 0, 100 * PAGE);
	fill(zeros + 200 * PAGE, 100 * PAGE, 1);
}

static void verify_zeros(void)
{
	CHECK_ZERO(zeros, 200 * PAGE);
	CHECK_FILLED(zeros + 200 * PAGE, 100 * PAGE, 1);
	CHECK_ZERO(zeros + 300 * PAGE, 100 * PAGE);
	fill(zeros, 400 * PAGE, 2);
	CHECK_FILLED(zeros, 400 * PAGE, 2);
}

/* ---- the stack ---- */

static volatile uint64_t stack_sum;

static __attribute__((noinline)) uint64_t dig(uint64_t depth)
{
	volatile char room[8192];

	room[0] = (char)depth;
	room[8191] = 1;
	return depth ? dig(depth - 1) + (uint64_t)room[8191] : (uint64_t)room[8191];
}

static void build_stack(void)
{
	stack_sum = dig(300);		/* 2.4 MiB below us, content of dead frames included */
}

static void verify_stack(void)
{
	CHECK_EQUAL(dig(300), stack_sum);
	CHECK_EQUAL(dig(700), 701);	/* further than the parent ever was */
}

/* ---- protection ---- */

static char *guarded;

static void build_protect(void)
{
	guarded = map_pages(400);
	fill(guarded, 400 * PAGE, 1);
	CHECK(!mprotect(guarded, 100 * PAGE, PROT_READ));
	CHECK(!mprotect(guarded + 100 * PAGE, 100 * PAGE, PROT_NONE));
	CHECK(!mprotect(guarded + 200 * PAGE, 100 * PAGE, PROT_READ | PROT_EXEC));
}

static void verify_protect(void)
{
	CHECK(!faults(guarded + 50 * PAGE, false));
	CHECK(faults(guarded + 51 * PAGE, true));
	CHECK(faults(guarded + 150 * PAGE, false));
	CHECK(faults(guarded + 250 * PAGE, true));
	CHECK(!faults(guarded + 350 * PAGE, true));
	/* A constant of pointers: relocated, then made read-only by the dynamic linker. */
	CHECK(faults((char *)(uintptr_t)in_relro, true));
	CHECK_FILLED(guarded, 100 * PAGE, 1);
	CHECK(!mprotect(guarded, 400 * PAGE, PROT_READ | PROT_WRITE));
	CHECK_FILLED(guarded, 400 * PAGE, 1);
	fill(guarded, 400 * PAGE, 2);
	CHECK_FILLED(guarded, 400 * PAGE, 2);
}

/* A large reserve without permissions of which pieces are opened later, as allocators do. */
static char *reserve;

static void build_reserve(void)
{
	reserve = mmap(NULL, 1UL << 30, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	CHECK(reserve != MAP_FAILED);
	CHECK(!mprotect(reserve, 100 * PAGE, PROT_READ | PROT_WRITE));
	fill(reserve, 100 * PAGE, 1);
}

static void verify_reserve(void)
{
	CHECK(faults(reserve + 100 * PAGE, false));
	CHECK(!mprotect(reserve + 100 * PAGE, 300 * PAGE, PROT_READ | PROT_WRITE));
	CHECK_ZERO(reserve + 100 * PAGE, 300 * PAGE);
	CHECK_FILLED(reserve, 100 * PAGE, 1);
	CHECK(faults(reserve + 400 * PAGE, false));
}

/* Guard pages in a large area and in one that is small enough to travel at once. */
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL	102	/* Linux 6.13 */
#define MADV_GUARD_REMOVE	103
#endif
static char *guarded, *guarded_small;
static bool has_guards;

static void build_guards(void)
{
	guarded = map_pages(200);
	guarded_small = map_pages(8);
	fill(guarded, 200 * PAGE, 1);
	fill(guarded_small, 8 * PAGE, 2);
	has_guards = !madvise(guarded + 50 * PAGE, 3 * PAGE, MADV_GUARD_INSTALL);
	if (!has_guards)
		return;
	CHECK(!madvise(guarded, PAGE, MADV_GUARD_INSTALL));
	CHECK(!madvise(guarded_small + 3 * PAGE, PAGE, MADV_GUARD_INSTALL));
}

static void verify_guards(void)
{
	if (!has_guards)
		skipped("the kernel has no guard pages (Linux 6.13)");
	CHECK(faults(guarded, false) && faults(guarded, true));
	for (uint64_t i = 50; i < 53; i++)
		CHECK(faults(guarded + i * PAGE, false) && faults(guarded + i * PAGE, true));
	CHECK(faults(guarded_small + 3 * PAGE, false));
	CHECK_FILLED_FROM(guarded + PAGE, 49 * PAGE, 1, PAGE);
	CHECK_FILLED_FROM(guarded + 53 * PAGE, 147 * PAGE, 1, 53 * PAGE);
	CHECK_FILLED(guarded_small, 3 * PAGE, 2);
	CHECK_FILLED_FROM(guarded_small + 4 * PAGE, 4 * PAGE, 2, 4 * PAGE);
	CHECK(!madvise(guarded + 50 * PAGE, 3 * PAGE, MADV_GUARD_REMOVE));
	CHECK_ZERO(guarded + 50 * PAGE, 3 * PAGE);
	CHECK(faults(guarded, false));
}

/* What a fork must not copy: so it is in a child, and in what the child forks. */
#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE	0x08		/* Linux 6.11 */
#endif
static char *wiped, *droppable;

static void build_wiped(void)
{
	wiped = map_pages(10);
	CHECK(!madvise(wiped, 10 * PAGE, MADV_WIPEONFORK));
	fill(wiped, 10 * PAGE, 1);
	droppable = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_DROPPABLE | MAP_ANONYMOUS, -1, 0);
	if (droppable != MAP_FAILED)
		fill(droppable, 4 * PAGE, 2);
	else
		droppable = NULL;
}

static void verify_wiped(void)
{
	int pid;

	CHECK_ZERO(wiped, 10 * PAGE);
	fill(wiped, 10 * PAGE, 3);
	if (droppable) {
		CHECK_ZERO(droppable, 4 * PAGE);
		fill(droppable, 4 * PAGE, 4);
	}
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		CHECK_ZERO(wiped, 10 * PAGE);
		if (droppable)
			CHECK_ZERO(droppable, 4 * PAGE);
		_exit(0);
	}
	check_exit(pid);
	CHECK_FILLED(wiped, 10 * PAGE, 3);
}

/* ---- transparent huge pages ---- */

#define HUGE_BYTES (2 * MIB)
static char *thp;

static void build_thp(void)
{
	char *p = map_pages(6 * HUGE_BYTES / PAGE);

	thp = (char *)(((uintptr_t)p + HUGE_BYTES - 1) & ~(HUGE_BYTES - 1));
	madvise(thp, 4 * HUGE_BYTES, MADV_HUGEPAGE);
	fill(thp, 4 * HUGE_BYTES, 1);
	/* One of them in pieces. */
	CHECK(!madvise(thp + HUGE_BYTES + 5 * PAGE, 3 * PAGE, MADV_DONTNEED));
}

static void verify_thp(void)
{
	CHECK_FILLED(thp, HUGE_BYTES + 5 * PAGE, 1);
	CHECK_ZERO(thp + HUGE_BYTES + 5 * PAGE, 3 * PAGE);
	CHECK_FILLED_FROM(thp + HUGE_BYTES + 8 * PAGE, 3 * HUGE_BYTES - 8 * PAGE, 1, HUGE_BYTES + 8 * PAGE);
	fill(thp, 4 * HUGE_BYTES, 2);
	CHECK_FILLED(thp, 4 * HUGE_BYTES, 2);
}

/* ---- sparse gigabytes ---- */

#define SPARSE (64UL << 30)
#define SPARSE_STEP (SPARSE / 128)
static char *sparse;

static void build_sparse(void)
{
	sparse = map_pages(SPARSE / PAGE);
	for (uint64_t i = 0; i < 128; i++)
		fill(sparse + i * SPARSE_STEP + i * PAGE, PAGE, i);
}

static void verify_sparse(void)
{
	for (uint64_t i = 0; i < 128; i++) {
		char *p = sparse + i * SPARSE_STEP + i * PAGE;

		if (i)
			CHECK_ZERO(p - PAGE, PAGE);
		CHECK_FILLED(p, PAGE, i);
		CHECK_ZERO(p + PAGE, PAGE);
	}
}

/* ---- many areas ---- */

#define STRIPES 2000UL
/* Runs of pages with gaps between them, in one area each: more than a buffer of the kernel's scan holds (512). */
static const struct { uint64_t count; char **at; } runs[] = {
	{ 513, &(char *){ NULL } }, { 5000, &(char *){ NULL } }, { 100000, &(char *){ NULL } },
};

static void build_runs(void)
{
	for (size_t k = 0; k < sizeof(runs) / sizeof(runs[0]); k++) {
		char *p = map_pages(2 * runs[k].count);

		*runs[k].at = p;
		CHECK(!madvise(p, 2 * runs[k].count * PAGE, MADV_NOHUGEPAGE));
		for (uint64_t i = 0; i < runs[k].count; i++)
			*(uint64_t *)(p + 2 * i * PAGE) = i + 1;
	}
}

static void verify_runs(void)
{
	for (size_t k = 0; k < sizeof(runs) / sizeof(runs[0]); k++) {
		const char *p = *runs[k].at;

		for (uint64_t i = 0; i < runs[k].count; i++) {
			CHECK_EQUAL(*(const uint64_t *)(p + 2 * i * PAGE), i + 1);
			CHECK_EQUAL(*(const uint64_t *)(p + (2 * i + 1) * PAGE), 0);
		}
	}
}

static char *stripes;

static void build_stripes(void)
{
	stripes = map_pages(2 * STRIPES);
	fill(stripes, 2 * STRIPES * PAGE, 1);
	for (uint64_t i = 0; i < STRIPES; i++)
		CHECK(!mprotect(stripes + 2 * i * PAGE, PAGE, PROT_READ));
}

static void verify_stripes(void)
{
	CHECK_FILLED(stripes, 2 * STRIPES * PAGE, 1);
	CHECK(faults(stripes + 10 * PAGE, true));
	CHECK(!faults(stripes + 11 * PAGE, true));
}

/* ---- a parent that goes on writing ---- */

static char *written;

static void build_writes(void)
{
	build_data();
	written = map_pages(2048);
	fill(written, 2048 * PAGE, 1);
	heap = malloc(100);
	strcpy(heap, "before");
}

static void after_writes(void)
{
	fill(written, 2048 * PAGE, 99);
	fill(in_bss, sizeof(in_bss), 99);
	in_data[511] = 99;
	strcpy(heap, "after");
	munmap(written + 100 * PAGE, 100 * PAGE);
	madvise(written + 300 * PAGE, 100 * PAGE, MADV_DONTNEED);
}

static void verify_writes(void)
{
	CHECK(!strcmp(heap, "before"));
	CHECK_FILLED(written, 2048 * PAGE, 1);
	CHECK_FILLED(in_bss, sizeof(in_bss), 1);
	CHECK_EQUAL(in_data[511], 0x5555);
}

/* ---- files ---- */

static char *private_map, *shared_map, *gone_map;

static char *map_file(const char *name, uint64_t pages, uint64_t mapped_pages, int prot, int flags)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	char *bytes = malloc(pages * PAGE), *p;

	CHECK(fd >= 0);
	fill(bytes, pages * PAGE, 1);
	CHECK(write(fd, bytes, pages * PAGE) == (long)(pages * PAGE));
	free(bytes);
	p = mmap(NULL, mapped_pages * PAGE, prot, flags, fd, 0);
	CHECK(p != MAP_FAILED);
	close(fd);
	return p;
}

/* A file of just now is no file to rely on: its pages would travel. */
static void set_time(const char *name, time_t seconds_ago)
{
	struct timespec times[2];

	CHECK(!clock_gettime(CLOCK_REALTIME, &times[1]));
	times[1].tv_sec -= seconds_ago;
	times[0] = times[1];
	CHECK(!utimensat(AT_FDCWD, name, times, 0));
}

static void build_files(void)
{
	private_map = map_file("private.map", 200, 200, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	fill(private_map + 10 * PAGE, 20 * PAGE, 2);
	shared_map = map_file("shared.map", 100, 100, PROT_READ, MAP_SHARED);
	CHECK_FILLED(shared_map, PAGE, 1);
	set_time("private.map", 3600);
	set_time("shared.map", 3600);
}

static void verify_files(void)
{
	CHECK_FILLED(private_map, 10 * PAGE, 1);
	CHECK_FILLED(private_map + 10 * PAGE, 20 * PAGE, 2);
	CHECK_FILLED_FROM(private_map + 30 * PAGE, 170 * PAGE, 1, 30 * PAGE);
	CHECK_FILLED(shared_map, 100 * PAGE, 1);
	fill(private_map, 200 * PAGE, 3);
	CHECK_FILLED(private_map, 200 * PAGE, 3);
}

/* A library that was upgraded: the file is gone, its pages travel. */
static void build_gone(void)
{
	gone_map = map_file("gone.map", 100, 100, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	fill(gone_map + 10 * PAGE, 20 * PAGE, 2);
	CHECK(!unlink("gone.map"));
}

static void verify_gone(void)
{
	CHECK_FILLED(gone_map, 10 * PAGE, 1);
	CHECK_FILLED(gone_map + 10 * PAGE, 20 * PAGE, 2);
	CHECK_FILLED_FROM(gone_map + 30 * PAGE, 70 * PAGE, 1, 30 * PAGE);
}

/* The same, and the mapping is longer than the file: nobody may touch the rest, so it is not missed. */
static void build_gone_short(void)
{
	gone_map = map_file("gone.map", 100, 140, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	fill(gone_map + 10 * PAGE, 20 * PAGE, 2);
	CHECK(!unlink("gone.map"));
}

static void verify_gone_short(void)
{
	verify_gone();
	/* Whatever the background still brings must not end the child either. */
	CHECK(!mitosis_drain());
	verify_gone();
}

/* The file was changed after prepare: what the child finds is the old content. */
static void build_changed(void)
{
	private_map = map_file("changed.map", 100, 100, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	fill(private_map + 10 * PAGE, 20 * PAGE, 2);
	set_time("changed.map", 3600);
}

/* A new file under the old name, as package managers do it. */
static void replace_file(void)
{
	char *p = map_file("changed.new", 100, 100, PROT_READ | PROT_WRITE, MAP_SHARED);

	fill(p, 100 * PAGE, 55);
	CHECK(!msync(p, 100 * PAGE, MS_SYNC));
	CHECK(!munmap(p, 100 * PAGE));
}

static void after_changed(void)
{
	replace_file();
	CHECK(!rename("changed.new", "changed.map"));
}

static void verify_changed(void)
{
	CHECK_FILLED(private_map, 10 * PAGE, 1);
	CHECK_FILLED(private_map + 10 * PAGE, 20 * PAGE, 2);
	CHECK_FILLED_FROM(private_map + 30 * PAGE, 70 * PAGE, 1, 30 * PAGE);
}

/* The same within one step of the file system's clock: the new file's time is the old one's. */
static void build_racy(void)
{
	private_map = map_file("changed.map", 100, 100, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	fill(private_map + 10 * PAGE, 20 * PAGE, 2);
}

static void after_racy(void)
{
	struct stat st;

	replace_file();
	CHECK(!stat("changed.map", &st));
	CHECK(!utimensat(AT_FDCWD, "changed.new", (struct timespec[]){ st.st_atim, st.st_mtim }, 0));
	CHECK(!rename("changed.new", "changed.map"));
}

const struct state memory_states[] = {
	{ "data", "initialized data, .bss and relocated constants",
	  build_data, NULL, verify_data },
	{ "malloc", "the allocator goes on with its lists; realloc of big blocks",
	  build_malloc, NULL, verify_malloc },
	{ "brk", "the heap grows and shrinks on",
	  build_brk, NULL, verify_brk },
	{ "mmap", "many mappings, and new ones between them",
	  build_mmap, NULL, verify_mmap },
	{ "zeros", "pages read but never written, written with zeros, never touched",
	  build_zeros, NULL, verify_zeros },
	{ "stack", "a deep stack, and a deeper one",
	  build_stack, NULL, verify_stack },
	{ "protect", "read-only and inaccessible memory keeps its bytes and its protection",
	  build_protect, NULL, verify_protect },
	{ "reserve", "a reserve without permissions, opened piece by piece",
	  build_reserve, NULL, verify_reserve },
	{ "guards", "pages that no access may reach (MADV_GUARD_INSTALL)",
	  build_guards, NULL, verify_guards },
	{ "wiped", "memory that a fork empties (MADV_WIPEONFORK, MAP_DROPPABLE)",
	  build_wiped, NULL, verify_wiped },
	{ "thp", "transparent huge pages, one of them with a hole",
	  build_thp, NULL, verify_thp },
	{ "sparse", "64 GiB of address space, 128 pages of content",
	  build_sparse, NULL, verify_sparse },
	{ "runs", "hundreds to a hundred thousand runs of pages in one area",
	  build_runs, NULL, verify_runs },
	{ "stripes", "thousands of areas",
	  build_stripes, NULL, verify_stripes },
	{ "writes", "a parent that writes everything after prepare",
	  build_writes, after_writes, verify_writes },
	{ "files", "private and shared mappings of files",
	  build_files, NULL, verify_files },
	{ "gone-file", "a mapped file that was removed: its pages travel",
	  build_gone, NULL, verify_gone },
	{ "gone-short-file", "a mapped file that was removed, with a mapping that is longer than the file",
	  build_gone_short, NULL, verify_gone_short },
	{ "changed-file", "a mapped file that was replaced after prepare, later",
	  build_changed, after_changed, verify_changed },
	{ "changed-file-at-once", "a mapped file that was replaced after prepare, at the same moment",
	  build_racy, after_racy, verify_changed },
	{ 0 },
};
