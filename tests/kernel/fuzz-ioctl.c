// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * fuzz-ioctl.c - everything that user space may ask of /dev/mitosis, with arguments that are right, almost
 * right, and wrong, from several threads at once.
 *
 *   fuzz-ioctl UUID ADDRESS PORT SECONDS [SEED]
 *
 * UUID, ADDRESS and PORT are those of a snapshot of another host, so that what is opened can be mapped
 * and read, too. The seed is printed first; with one thread's luck excepted, it repeats a run. At the end
 * it prints how often each kind of request was made and granted. It fails if a kind was never granted:
 * then it did not get behind the checks that it is meant to get behind. With FUZZ_MAKE_IT_FAIL in the
 * environment its allocations fail as /sys/kernel/debug/failslab says (task-filter).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "mitosis_ioctl.h"

#define PAGE		4096UL
#define THREADS		4
#define FILES		24		/* open at a time, shared by the threads */
#define AREAS		8		/* mapped at a time, of each thread */
#define AREA_PAGES	64UL

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

enum kind { INFO, SNAPSHOT, RELEASE, OPEN, STATE, PREFETCH, NEXT, RECORDED, UNKNOWN, MAP, CHANGE, READ, POLL, DUP,
	    FORK, CLOSE, KINDS };
static const char *const names[KINDS] = {
	"INFO", "SNAPSHOT", "RELEASE", "OPEN", "STATE", "PREFETCH", "NEXT", "RECORDED", "unknown", "mmap", "change",
	"read", "poll", "dup", "fork", "close",
};
static atomic_ulong made[KINDS], granted[KINDS];
static _Atomic int files[FILES];	/* descriptor + 1; 0: none */
static struct mitosis_ioc_open model;
static uint64_t base;			/* of a page that the snapshot may have */
static atomic_bool over;
static char *own;			/* memory to take snapshots of */

struct fuzzer {
	pthread_t thread;
	uint64_t state;
	struct {
		char *at;
		size_t bytes;
	} areas[AREAS];
};

static uint64_t random64(struct fuzzer *f)
{
	uint64_t z = f->state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static uint64_t below(struct fuzzer *f, uint64_t n)
{
	return random64(f) % n;
}

static bool chance(struct fuzzer *f, unsigned int one_in)
{
	return !below(f, one_in);
}

static void count(enum kind kind, bool good)
{
	atomic_fetch_add(&made[kind], 1);
	if (good)
		atomic_fetch_add(&granted[kind], 1);
}

/* Numbers at which code goes wrong. */
static uint64_t odd_number(struct fuzzer *f)
{
	static const uint64_t numbers[] = {
		0, 1, 7, 8, PAGE - 1, PAGE, PAGE + 1, 1UL << 21, 1UL << 31, (1UL << 32) - 1, 1UL << 32, 1UL << 47,
		(1UL << 47) - PAGE, 1UL << 52, 1UL << 63, ~0UL - PAGE + 1, ~0UL - 1, ~0UL,
	};

	return chance(f, 3) ? random64(f) >> below(f, 64) : numbers[below(f, sizeof(numbers) / sizeof(numbers[0]))];
}

/* A page of the snapshot, most often. */
static uint64_t place(struct fuzzer *f)
{
	return chance(f, 6) ? odd_number(f) : base + below(f, 1024) * PAGE;
}

static int any_file(struct fuzzer *f)
{
	for (int tries = 0; tries < 8; tries++) {
		int fd = atomic_load(&files[below(f, FILES)]);

		if (fd)
			return fd - 1;
	}
	return -1;
}

static void keep(struct fuzzer *f, int fd)
{
	int old;

	if (fd < 0)
		return;
	old = atomic_exchange(&files[below(f, FILES)], fd + 1);
	if (old)
		close(old - 1);
}

/*
 * Issue a request whose argument is right, then spoil it: bytes of it, its size, or where it lies. At
 * the end of a mapped page, so that reading beyond it is noticed.
 */
static long request(struct fuzzer *f, int fd, unsigned long command, const void *argument, size_t size)
{
	char *pages = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *at;
	long result;

	if (pages == MAP_FAILED)
		return -1;
	munmap(pages + PAGE, PAGE);
	at = pages + PAGE - size - (chance(f, 4) ? below(f, 64) : 0);
	memcpy(at, argument, size);
	if (chance(f, 2)) {
		for (uint64_t n = below(f, 4); n; n--)
			at[below(f, size)] ^= 1 << below(f, 8);
		if (chance(f, 4) && size >= 8)
			memcpy(at + below(f, size / 8) * 8, &(uint64_t){ odd_number(f) }, 8);
		if (chance(f, 8))
			*(uint32_t *)at = (uint32_t)odd_number(f);
	}
	if (chance(f, 32))
		at = (char *)odd_number(f);
	else if (chance(f, 32))
		at += below(f, 128);
	if (chance(f, 32))
		mprotect(pages, PAGE, PROT_READ);
	result = ioctl(fd, command, at);
	munmap(pages, PAGE);
	return result;
}

static void ask_info(struct fuzzer *f)
{
	struct mitosis_ioc_info io = { .size = sizeof(io) };

	count(INFO, !request(f, any_file(f), MITOSIS_IOC_INFO, &io, sizeof(io)));
}

static void ask_snapshot(struct fuzzer *f)
{
	struct mitosis_ioc_range ranges[4];
	struct mitosis_ioc_snapshot io = {
		.size = sizeof(io), .ranges = (uintptr_t)ranges, .range_count = 1 + (uint32_t)below(f, 4),
	};
	uint64_t at = (uintptr_t)own;

	for (int i = 0; i < 4; i++) {
		ranges[i].start = at + below(f, 8) * PAGE;
		ranges[i].pages = 1 + below(f, 16);
		at = ranges[i].start + ranges[i].pages * PAGE;
		if (chance(f, 8))
			ranges[i].start = odd_number(f);
		if (chance(f, 8))
			ranges[i].pages = odd_number(f);
	}
	if (chance(f, 2))
		memcpy(io.uuid, &(uint64_t[2]){ random64(f), random64(f) }, 16);
	else
		io.uuid[0] = (uint8_t)below(f, 3);
	count(SNAPSHOT, !request(f, any_file(f), MITOSIS_IOC_SNAPSHOT, &io, sizeof(io)));
}

static void ask_release(struct fuzzer *f)
{
	count(RELEASE, !ioctl(any_file(f), MITOSIS_IOC_RELEASE, random64(f)));
}

static void ask_open(struct fuzzer *f)
{
	struct mitosis_ioc_open io = model;
	int fd;

	io.flags = (uint32_t)below(f, 8);
	io.window = chance(f, 4) ? MITOSIS_WINDOW_DEFAULT : (uint32_t)below(f, MITOSIS_WINDOW_MAX + 1);
	io.timeout_ms = 50 + (uint32_t)below(f, 1000);
	fd = (int)request(f, any_file(f), MITOSIS_IOC_OPEN, &io, sizeof(io));
	count(OPEN, fd >= 0);
	keep(f, fd);
}

static void ask_state(struct fuzzer *f)
{
	struct mitosis_ioc_state io = { .size = sizeof(io) };

	count(STATE, !request(f, any_file(f), MITOSIS_IOC_STATE, &io, sizeof(io)));
}

static void ask_prefetch(struct fuzzer *f)
{
	struct mitosis_ioc_range ranges[3];
	struct mitosis_ioc_prefetch io = {
		.size = sizeof(io), .ranges = (uintptr_t)ranges, .range_count = (uint32_t)below(f, 4),
	};

	for (int i = 0; i < 3; i++)
		ranges[i] = (struct mitosis_ioc_range){ place(f), chance(f, 8) ? odd_number(f) : below(f, 64) };
	count(PREFETCH, !request(f, any_file(f), MITOSIS_IOC_PREFETCH, &io, sizeof(io)));
}

static void ask_next(struct fuzzer *f)
{
	struct mitosis_ioc_next io = { .size = sizeof(io), .start = place(f) };

	count(NEXT, !request(f, any_file(f), MITOSIS_IOC_NEXT, &io, sizeof(io)));
}

static void ask_recorded(struct fuzzer *f)
{
	uint64_t addresses[32];
	struct mitosis_ioc_recorded io = {
		.size = sizeof(io), .first = chance(f, 4) ? odd_number(f) : 0, .addresses = (uintptr_t)addresses,
		.count = below(f, 33),
	};

	/* Its own count is what may be written: a spoiled one must not reach what lies behind. */
	count(RECORDED, !ioctl(any_file(f), MITOSIS_IOC_RECORDED, &io));
}

static void ask_unknown(struct fuzzer *f)
{
	char argument[256];
	unsigned long command = _IOC(below(f, 4), chance(f, 8) ? below(f, 256) : 0xB6, below(f, 0x20),
				     below(f, sizeof(argument)));

	for (size_t i = 0; i < sizeof(argument); i += 8)
		memcpy(argument + i, &(uint64_t){ odd_number(f) }, 8);
	/* Pointers in it may hit anything that this process has, so it gets nothing to write to. */
	switch (command) {
	case MITOSIS_IOC_RECORDED:
	case MITOSIS_IOC_SNAPSHOT:
		return;
	}
	count(UNKNOWN, request(f, any_file(f), command, argument, sizeof(argument)) >= 0);
}

static void map(struct fuzzer *f)
{
	static const int flags[] = { MAP_PRIVATE, MAP_SHARED, MAP_PRIVATE | MAP_POPULATE, MAP_PRIVATE | MAP_NORESERVE };
	uint64_t slot = below(f, AREAS);
	size_t bytes = (1 + below(f, AREA_PAGES)) * PAGE;
	char *at;

	if (f->areas[slot].at)
		munmap(f->areas[slot].at, f->areas[slot].bytes);
	at = mmap(NULL, bytes, (int)below(f, 8), flags[below(f, 4)], any_file(f), (off_t)(place(f) & ~(PAGE - 1)));
	count(MAP, at != MAP_FAILED);
	f->areas[slot].at = at == MAP_FAILED ? NULL : at;
	f->areas[slot].bytes = bytes;
}

/* Of a thread's own areas only, so that nobody's stack goes. */
static void change(struct fuzzer *f)
{
	static const int advice[] = {
		MADV_DONTNEED, MADV_WILLNEED, MADV_POPULATE_READ, MADV_POPULATE_WRITE, MADV_FREE, MADV_HUGEPAGE, MADV_COLD,
		MADV_PAGEOUT, MADV_DONTFORK, MADV_DOFORK, MADV_WIPEONFORK, MADV_RANDOM, MADV_SEQUENTIAL, MADV_REMOVE,
	};
	uint64_t slot = below(f, AREAS), pages, first;
	char *at = f->areas[slot].at, *moved;
	size_t bytes;
	bool good;

	if (!at)
		return;
	pages = f->areas[slot].bytes / PAGE;
	first = below(f, pages);
	bytes = (1 + below(f, pages - first)) * PAGE;
	switch (below(f, 4)) {
	case 0:
		good = !mprotect(at + first * PAGE, bytes, (int)below(f, 8));
		break;
	case 1:
		/* Something else takes the place at once: in a hole another thread's memory would be hit next. */
		good = mmap(at + first * PAGE, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
			    0) != MAP_FAILED;
		break;
	case 2:
		moved = mremap(at, f->areas[slot].bytes, bytes, MREMAP_MAYMOVE);
		good = moved != MAP_FAILED;
		if (good) {
			f->areas[slot].at = moved;
			f->areas[slot].bytes = bytes;
		}
		break;
	default:
		good = !madvise(at + first * PAGE, bytes, advice[below(f, sizeof(advice) / sizeof(advice[0]))]);
	}
	count(CHANGE, good);
}

/* The kernel touches the memory for us, so that what cannot be had is EFAULT. */
static void read_some(struct fuzzer *f)
{
	uint64_t slot = below(f, AREAS);
	char bytes[64];
	int pipes[2];

	if (chance(f, 2)) {
		count(READ, pread(any_file(f), bytes, sizeof(bytes), (off_t)place(f)) > 0);
		return;
	}
	if (!f->areas[slot].at || pipe2(pipes, O_CLOEXEC))
		return;
	count(READ, write(pipes[1], f->areas[slot].at + below(f, f->areas[slot].bytes), 1) == 1);
	if (chance(f, 2) && write(pipes[1], "x", 1) == 1)
		count(READ, read(pipes[0], f->areas[slot].at + below(f, f->areas[slot].bytes), 1) == 1);
	close(pipes[0]);
	close(pipes[1]);
}

static void wait_for(struct fuzzer *f)
{
	struct pollfd p = { .fd = any_file(f), .events = (short)random64(f) };

	count(POLL, poll(&p, 1, 0) >= 0);
}

static void duplicate(struct fuzzer *f)
{
	int fd = fcntl(any_file(f), F_DUPFD_CLOEXEC, 3);

	count(DUP, fd >= 0);
	keep(f, fd);
}

static void fork_away(struct fuzzer *f)
{
	pid_t pid = fork();

	if (!pid) {
		/* A copy of this thread only; one that is in the middle of something. */
		for (int i = 0; i < 20; i++) {
			change(f);
			read_some(f);
		}
		_exit(0);
	}
	count(FORK, pid > 0 && waitpid(pid, NULL, 0) == pid);
}

static void close_one(struct fuzzer *f)
{
	int fd = atomic_exchange(&files[below(f, FILES)], 0);

	count(CLOSE, fd && !close(fd - 1));
	if (chance(f, 2))
		keep(f, open(MITOSIS_DEVICE_PATH, O_RDWR | O_CLOEXEC));
}

static void *run(void *data)
{
	static void (*const deeds[])(struct fuzzer *f) = {
		ask_info, ask_snapshot, ask_snapshot, ask_release, ask_open, ask_open, ask_open, ask_state, ask_prefetch,
		ask_prefetch, ask_next, ask_recorded, ask_unknown, map, map, map, change, change, change, read_some,
		read_some, read_some, wait_for, duplicate, close_one, close_one,
	};
	struct fuzzer *f = data;

	while (!atomic_load(&over)) {
		if (chance(f, 200))
			fork_away(f);
		deeds[below(f, sizeof(deeds) / sizeof(deeds[0]))](f);
	}
	return NULL;
}

/* Where the snapshot has pages, as it says itself; the checks begin there. */
static int find_base(void)
{
	struct mitosis_ioc_next io = { .size = sizeof(io) };
	struct mitosis_ioc_info info = { .size = sizeof(info) };
	int device = open(MITOSIS_DEVICE_PATH, O_RDWR | O_CLOEXEC), fd;

	/*
	 * The first INFO makes the serving side's connection to itself. Not with allocations that fail: soft-RoCE
	 * of Linux 6.1 cleans up a queue pair that was half made with timers that it has not set up yet.
	 */
	if (device < 0 || ioctl(device, MITOSIS_IOC_INFO, &info))
		return -1;
	fd = ioctl(device, MITOSIS_IOC_OPEN, &model);
	close(device);
	if (fd < 0 || ioctl(fd, MITOSIS_IOC_NEXT, &io) || !io.pages)
		return -1;
	base = io.start;
	return close(fd);
}

static int make_it_fail(void)
{
	int fd = open("/proc/self/make-it-fail", O_WRONLY | O_CLOEXEC), failed = fd < 0 || write(fd, "1", 1) != 1;

	if (fd >= 0)
		close(fd);
	return failed;
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	static struct fuzzer fuzzers[THREADS];
	struct timespec pause = { 0 }, end;
	uint64_t seed;
	int wrong = 0;

	if ((argc != 5 && argc != 6) || strlen(argv[1]) != 32 || inet_pton(AF_INET, argv[2], &to.sin_addr) != 1) {
		fprintf(stderr, "usage: fuzz-ioctl UUID ADDRESS PORT SECONDS [SEED]\n");
		return 2;
	}
	to.sin_port = htons((uint16_t)atoi(argv[3]));
	pause.tv_sec = atoi(argv[4]);
	model = (struct mitosis_ioc_open){ .size = sizeof(model), .endpoint.length = sizeof(to) };
	for (int i = 0; i < 16; i++)
		sscanf(argv[1] + 2 * i, "%2hhx", &model.uuid[i]);
	memcpy(model.endpoint.sockaddr, &to, sizeof(to));
	if (argc == 6)
		seed = strtoull(argv[5], NULL, 0);
	else if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		return 1;
	printf("seed 0x%llx\n", (unsigned long long)seed);
	fflush(stdout);
	own = mmap(NULL, 128 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (own == MAP_FAILED || find_base()) {
		perror("fuzz-ioctl: the snapshot");
		return 1;
	}
	if (getenv("FUZZ_MAKE_IT_FAIL") && make_it_fail()) {
		perror("fuzz-ioctl: /proc/self/make-it-fail");
		return 1;
	}
	for (int i = 0; i < FILES / 2; i++)
		atomic_store(&files[i], open(MITOSIS_DEVICE_PATH, O_RDWR | O_CLOEXEC) + 1);
	for (int i = 0; i < THREADS; i++) {
		fuzzers[i].state = seed + (uint64_t)i;
		if (pthread_create(&fuzzers[i].thread, NULL, run, &fuzzers[i]))
			return 1;
	}
	nanosleep(&pause, NULL);
	atomic_store(&over, true);
	/* A spoiled request may wait for up to an hour, which the end of this process has to cut short. */
	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += 20;
	for (int i = 0; i < THREADS; i++)
		pthread_timedjoin_np(fuzzers[i].thread, NULL, &end);
	for (int i = 0; i < KINDS; i++) {
		printf("%-9s %8lu %8lu\n", names[i], made[i], granted[i]);
		if (!granted[i] && i != UNKNOWN) {
			fprintf(stderr, "fuzz-ioctl: %s was never granted\n", names[i]);
			wrong = 1;
		}
	}
	return wrong;
}
