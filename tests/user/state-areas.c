// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* state-areas.c - memory whose meaning is not in its bytes: what grows, ends, is shared, or is not copied by a fork. */
#include "state.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MIB (1UL << 20)

/* The signal that an access of this byte raises; 0: none. */
static sigjmp_buf after_signal;

static void on_signal(int signo)
{
	siglongjmp(after_signal, signo);
}

static int signal_at(volatile char *p, bool write)
{
	static const int signals[] = { SIGSEGV, SIGBUS };
	struct sigaction action = { .sa_handler = on_signal }, old[2];
	volatile int got;

	for (int i = 0; i < 2; i++)
		sigaction(signals[i], &action, &old[i]);
	got = sigsetjmp(after_signal, 1);
	if (!got) {
		char c = *p;

		if (write)
			*p = c;
	}
	for (int i = 0; i < 2; i++)
		sigaction(signals[i], &old[i], NULL);
	return got;
}

/* ---- what grows ---- */

#define GROWING_PAGES 100UL
static char *growing[2];	/* one that travels on demand, one that comes at once */

static void build_grows_down(void)
{
	for (size_t i = 0; i < 2; i++) {
		uint64_t bytes = (i ? 4 : GROWING_PAGES) * PAGE;

		/* Far from everything: below it there must be room. */
		growing[i] = mmap((void *)(0x500000000000 + i * (1UL << 30)), bytes, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED_NOREPLACE, -1, 0);
		CHECK(growing[i] != MAP_FAILED);
		fill(growing[i], bytes, i + 1);
	}
}

static void verify_grows_down(void)
{
	for (size_t i = 0; i < 2; i++) {
		uint64_t bytes = (i ? 4 : GROWING_PAGES) * PAGE;
		char *p = growing[i];

		CHECK_EQUAL(signal_at(p - 20 * PAGE, true), 0);
		CHECK_ZERO(p - 20 * PAGE, 20 * PAGE);
		CHECK_FILLED(p, bytes, i + 1);
		fill(p - 20 * PAGE, 20 * PAGE, 3);
		CHECK_FILLED(p - 20 * PAGE, 20 * PAGE, 3);
		CHECK_FILLED(p, bytes, i + 1);
	}
}

/* ---- the stack's limit ---- */

static __attribute__((noinline)) uint64_t dig(uint64_t pages)
{
	volatile char room[8 * PAGE];

	for (uint64_t at = 0; at < sizeof(room); at += PAGE)
		room[at] = 1;
	return pages > 8 ? dig(pages - 8) + (uint64_t)room[0] : (uint64_t)room[PAGE];
}

static void set_limit(int which, rlim_t bytes)
{
	struct rlimit limit;

	CHECK(!getrlimit(which, &limit));
	if (limit.rlim_max != RLIM_INFINITY && (bytes == RLIM_INFINITY || bytes > limit.rlim_max))
		skipped("the hard limit is too low");
	limit.rlim_cur = bytes;
	CHECK(!setrlimit(which, &limit));
}

/* How does a process end that uses so much of its stack? Its wait status. */
static int end_of_digging(uint64_t bytes)
{
	int pid = fork(), status;

	CHECK(pid >= 0);
	if (!pid) {
		const struct rlimit no_core = { 0, 0 };

		setrlimit(RLIMIT_CORE, &no_core);
		dig(bytes / PAGE);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	return status;
}

static void build_stack_limit(void)
{
	set_limit(RLIMIT_STACK, 12 * MIB);
}

static void verify_stack_limit(void)
{
	CHECK_EQUAL(end_of_digging(11 * MIB), 0);
	CHECK_EQUAL(WTERMSIG(end_of_digging(13 * MIB)), SIGSEGV);
	set_limit(RLIMIT_STACK, 48 * MIB);
	CHECK_EQUAL(end_of_digging(47 * MIB), 0);
	CHECK_EQUAL(WTERMSIG(end_of_digging(49 * MIB)), SIGSEGV);
	CHECK(dig(40 * MIB / PAGE));
}

static void build_stack_unlimited(void)
{
	set_limit(RLIMIT_STACK, RLIM_INFINITY);
}

static void verify_stack_unlimited(void)
{
	CHECK(dig(100 * MIB / PAGE));
}

/* ---- what is counted ---- */

static unsigned long data_kib(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	unsigned long kib = 0;
	char line[256];

	CHECK(f);
	while (fgets(line, sizeof(line), f))
		sscanf(line, "VmData: %lu", &kib);
	fclose(f);
	CHECK(kib);
	return kib;
}

static uint64_t data_room;

static void build_data_limit(void)
{
	/* A tracer needs some of it for a while. */
	data_room = (state_has_threads() ? 16 : 2) * MIB;
	set_limit(RLIMIT_DATA, data_kib() * 1024 + data_room);
}

static void verify_data_limit(void)
{
	fill(map_pages(MIB / PAGE), MIB, 1);
	CHECK(mmap(NULL, data_room + 2 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
}

/* ---- files that end before their mapping, or are written through it ---- */

static char *make_file(const char *name, uint64_t pages, uint64_t mapped_pages, int prot, int flags, int seconds_ago)
{
	struct timespec times[2];
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	char *bytes = malloc(pages * PAGE), *p;

	CHECK(fd >= 0 && bytes);
	fill(bytes, pages * PAGE, 1);
	/* The last page in part only: the rest of it is zeros. */
	memset(bytes + pages * PAGE - PAGE / 2, 0, PAGE / 2);
	CHECK(write(fd, bytes, pages * PAGE - PAGE / 2) == (long)(pages * PAGE - PAGE / 2));
	free(bytes);
	p = mmap(NULL, mapped_pages * PAGE, prot, flags, fd, 0);
	CHECK(p != MAP_FAILED);
	CHECK(!clock_gettime(CLOCK_REALTIME, &times[1]));
	times[1].tv_sec -= seconds_ago;
	times[0] = times[1];
	CHECK(!futimens(fd, times));
	close(fd);
	return p;
}

static char *ends[4];		/* an old file, one of just now, one that is gone, one that is gone and hidden */

static void build_end_of_file(void)
{
	static const char *const names[] = { "end-old", "end-new", "end-gone", "end-hidden" };

	for (size_t i = 0; i < 4; i++) {
		ends[i] = make_file(names[i], 40, 60, PROT_READ | PROT_WRITE, MAP_PRIVATE, i ? 0 : 3600);
		fill(ends[i] + 10 * PAGE, 5 * PAGE, 2);
	}
	CHECK(!unlink("end-gone") && !unlink("end-hidden"));
	CHECK(!mprotect(ends[3], 60 * PAGE, PROT_NONE));
}

static void verify_end_of_file(void)
{
	CHECK_EQUAL(signal_at(ends[3], false), SIGSEGV);
	CHECK_EQUAL(signal_at(ends[3] + 50 * PAGE, false), SIGSEGV);
	CHECK(!mprotect(ends[3], 60 * PAGE, PROT_READ | PROT_WRITE));
	for (size_t i = 0; i < 4; i++) {
		CHECK_FILLED(ends[i], 10 * PAGE, 1);
		CHECK_FILLED(ends[i] + 10 * PAGE, 5 * PAGE, 2);
		CHECK_FILLED_FROM(ends[i] + 15 * PAGE, 24 * PAGE + PAGE / 2, 1, 15 * PAGE);
		CHECK_ZERO(ends[i] + 39 * PAGE + PAGE / 2, PAGE / 2);
		CHECK_EQUAL(signal_at(ends[i] + 39 * PAGE, true), 0);
		for (uint64_t page = 40; page < 60; page++) {
			CHECK_EQUAL(signal_at(ends[i] + page * PAGE, false), SIGBUS);
			CHECK_EQUAL(signal_at(ends[i] + page * PAGE, true), SIGBUS);
		}
	}
}

/* On the parent's host a shared file is that of its number, whenever it was written to. */
static char *shared_old, *shared_new;

static void build_shared_files(void)
{
	shared_old = make_file("shared-old", 4, 4, PROT_READ | PROT_WRITE, MAP_SHARED, 3600);
	shared_new = make_file("shared-new", 4, 4, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
}

/* The parent goes on to write: the time of the file is not that of the snapshot. */
static void after_shared_files(void)
{
	memset(shared_old, 'o', PAGE);
	memset(shared_new, 'n', PAGE);
	CHECK(!msync(shared_old, PAGE, MS_SYNC) && !msync(shared_new, PAGE, MS_SYNC));
}

static void check_shared(const char *name, char *p, char letter)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	char in_file[16];

	CHECK(*p == letter);
	CHECK_FILLED_FROM(p + PAGE, 2 * PAGE, 1, PAGE);
	memset(p + 3 * PAGE, 'c', 16);
	CHECK(fd >= 0 && pread(fd, in_file, 16, 3 * PAGE) == 16);
	CHECK(!memcmp(in_file, p + 3 * PAGE, 16));
	close(fd);
}

static void verify_shared_files(void)
{
	check_shared("shared-old", shared_old, 'o');
	check_shared("shared-new", shared_new, 'n');
}

/* Read-only for the moment. */
static void build_shared_protected(void)
{
	shared_old = make_file("shared-old", 4, 4, PROT_READ | PROT_WRITE, MAP_SHARED, 3600);
	memset(shared_old, 'o', PAGE);
	CHECK(!mprotect(shared_old, 4 * PAGE, PROT_READ));
	shared_new = make_file("shared-new", 4, 4, PROT_NONE, MAP_SHARED, 0);
}

static void verify_shared_protected(void)
{
	CHECK_EQUAL(signal_at(shared_old, true), SIGSEGV);
	CHECK_EQUAL(signal_at(shared_new, false), SIGSEGV);
	CHECK(!mprotect(shared_old, 4 * PAGE, PROT_READ | PROT_WRITE));
	CHECK(!mprotect(shared_new, 4 * PAGE, PROT_READ | PROT_WRITE));
	memset(shared_new, 'n', PAGE);
	check_shared("shared-old", shared_old, 'o');
	check_shared("shared-new", shared_new, 'n');
}

/* ---- what a fork does not copy ---- */

static char *unforked[3];	/* that travels on demand, that comes at once, of the heap */

bool is_unforked(const char *p)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	bool inside = false, found = false;
	unsigned long start, end;
	char line[4096 + 200];

	CHECK(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = (uintptr_t)p >= start && (uintptr_t)p < end;
		else if (inside && !strncmp(line, "VmFlags:", 8))
			found = strstr(line, " dc");
	}
	fclose(f);
	return found;
}

static void check_unforked(void)
{
	for (size_t i = 0; i < 3; i++)
		CHECK(is_unforked(unforked[i]) && is_unforked(unforked[i] + 3 * PAGE));
	CHECK(!is_unforked((char *)unforked));
}

static void build_unforked(void)
{
	char *heap = sbrk(64 * PAGE);

	CHECK(heap != (void *)-1);
	unforked[0] = map_pages(300);
	unforked[1] = map_pages(4);
	unforked[2] = (char *)(((uintptr_t)heap + 8 * PAGE) & ~(PAGE - 1));
	for (size_t i = 0; i < 3; i++) {
		uint64_t pages = i ? 4 : 300;

		fill(unforked[i], pages * PAGE, i + 1);
		CHECK(!madvise(unforked[i], pages * PAGE, MADV_DONTFORK));
	}
}

static void verify_unforked(void)
{
	int pid;

	check_unforked();
	for (size_t i = 0; i < 3; i++)
		CHECK_FILLED(unforked[i], (i ? 4 : 300) * PAGE, i + 1);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		for (size_t i = 0; i < 3; i++)
			CHECK_EQUAL(signal_at(unforked[i], false), SIGSEGV);
		_exit(0);
	}
	check_exit(pid);
	check_unforked();
}

const struct state area_states[] = {
	{ "grows-down", "areas that grow when they are touched below (MAP_GROWSDOWN)",
	  build_grows_down, NULL, verify_grows_down },
	{ "stack-limit", "a limit of the stack that holds, and that the child raises",
	  build_stack_limit, NULL, verify_stack_limit },
	{ "stack-unlimited", "a stack without limit",
	  build_stack_unlimited, NULL, verify_stack_unlimited },
	{ "data-limit", "what counts as data (RLIMIT_DATA) is what counted in the parent",
	  build_data_limit, NULL, verify_data_limit },
	{ "end-of-file", "mappings longer than their file: SIGBUS behind its end",
	  build_end_of_file, NULL, verify_end_of_file },
	{ "shared-files", "shared mappings of files that the parent goes on to write",
	  build_shared_files, after_shared_files, verify_shared_files },
	{ "shared-protected", "shared mappings that could be made writable",
	  build_shared_protected, NULL, verify_shared_protected },
	{ "unforked", "memory that a fork does not copy (MADV_DONTFORK)",
	  build_unforked, check_unforked, verify_unforked },
	{ 0 },
};
