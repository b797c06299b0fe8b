// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * snapshot.c - a process whose memory is snapshot and then changed, for peer.c to look at from
 * another host.
 *
 *   snapshot UUID [--size MIB] [--huge] [--swap] [--many N] [--repeat N] [--fail] [--device PATH]
 *
 * It maps areas of several kinds, fills pages with a pattern made of their address, lets a forked
 * process issue MITOSIS_IOC_SNAPSHOT and exit, and then overwrites all it has. It prints
 *
 *   endpoint ADDRESS PORT
 *   expect PAGES
 *   snapshot PAGES TABLE_BYTES NANOSECONDS FORK_NANOSECONDS
 *
 * checks what can be seen on this side, and obeys standard input: "release" (prints "released"),
 * "again" (another snapshot under the same UUID must be EEXIST), end of file: ends.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "mitosis_ioctl.h"
#include "pattern.h"

#define RANGES 65536U

static const char *device = MITOSIS_DEVICE_PATH;
static struct mitosis_ioc_range *ranges;
static unsigned int range_count;
static uint64_t expected;

static void fail(const char *what)
{
	fprintf(stderr, "snapshot: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static char *area(size_t bytes, int protection)
{
	char *p = mmap(NULL, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		fail("mmap");
	return p;
}

static void fill(char *page)
{
	pattern_fill(page, (uintptr_t)page);
	expected++;
}

static void add_range(char *start, size_t bytes)
{
	if (range_count == RANGES) {
		fprintf(stderr, "snapshot: too many ranges\n");
		exit(1);
	}
	ranges[range_count].start = (uintptr_t)start;
	ranges[range_count++].pages = bytes / PAGE;
}

static int by_start(const void *a, const void *b)
{
	const struct mitosis_ioc_range *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* Every page, every third page, none at all, only read, none may look. */
static void lay_out(size_t bytes, int huge, int swap, unsigned int many)
{
	char *p, *full, *sparse, *hidden;
	volatile char zero;
	size_t i;

	full = area(bytes, PROT_READ | PROT_WRITE);
	madvise(full, bytes, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	for (i = 0; i < bytes; i += PAGE)
		fill(full + i);
	add_range(full, bytes);

	sparse = area(8 << 20, PROT_READ | PROT_WRITE);
	madvise(sparse, 8 << 20, MADV_NOHUGEPAGE);
	for (i = 0; i < 8 << 20; i += 3 * PAGE)
		fill(sparse + i);
	for (i = PAGE; i < 1 << 20; i += 3 * PAGE)
		zero = sparse[i];
	(void)zero;
	add_range(sparse, 8 << 20);

	add_range(area(64UL << 30, PROT_READ | PROT_WRITE), 64UL << 30);

	hidden = area(1 << 20, PROT_READ | PROT_WRITE);
	madvise(hidden, 1 << 20, MADV_NOHUGEPAGE);
	for (i = 0; i < 1 << 20; i += PAGE)
		fill(hidden + i);
	if (mprotect(hidden, 1 << 20, PROT_NONE))
		fail("mprotect");
	add_range(hidden, 1 << 20);

	/* Ranges of one page: many in a chunk. */
	if (many) {
		p = area((size_t)many * 2 * PAGE, PROT_READ | PROT_WRITE);
		madvise(p, (size_t)many * 2 * PAGE, MADV_NOHUGEPAGE);
		for (i = 0; i < many; i++) {
			fill(p + i * 2 * PAGE);
			add_range(p + i * 2 * PAGE, PAGE);
		}
	}
	if (swap && (madvise(full, bytes, MADV_PAGEOUT) || madvise(hidden, 1 << 20, MADV_PAGEOUT)))
		fail("MADV_PAGEOUT");
	qsort(ranges, range_count, sizeof(*ranges), by_start);
}

/* In a child, so that this process' own later writes are copied. */
static int snapshot_in_child(int fd, struct mitosis_ioc_snapshot *shared)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		fail("fork");
	if (!pid) {
		uint64_t start = now_ns();
		int rc = ioctl(fd, MITOSIS_IOC_SNAPSHOT, shared) ? errno : 0;

		shared->reserved = (now_ns() - start) / 1000;
		_exit(rc);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) {
		errno = ECHILD;
		fail("waitpid");
	}
	return WEXITSTATUS(status);
}

/*
 * Each allocation of the ioctl fails once, by the kernel's fault injection (/proc/self/fail-nth):
 * it must say so and leave nothing, whichever it was. Prints how many there were.
 */
static void fail_each_allocation(int fd, struct mitosis_ioc_snapshot *io)
{
	unsigned int n, refused = 0;
	char text[16] = "";
	int nth, error;

	nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (nth < 0)
		fail("fail-nth");
	for (n = 1; ; n++) {
		snprintf(text, sizeof(text), "%u", n);
		if (pwrite(nth, text, strlen(text), 0) < 0)
			fail("fail-nth");
		error = ioctl(fd, MITOSIS_IOC_SNAPSHOT, io) ? errno : 0;
		/* Copying the number may be what fails next: then it was not used up either. */
		memset(text, 0, sizeof(text));
		if (pread(nth, text, sizeof(text) - 1, 0) < 0)
			strcpy(text, "1");
		if (pwrite(nth, "0", 1, 0) < 0) {
			strcpy(text, "1");
			if (pwrite(nth, "0", 1, 0) < 0)
				fail("fail-nth");
		}
		io->reserved = 0;
		if (!error) {
			if (ioctl(fd, MITOSIS_IOC_RELEASE))
				fail("MITOSIS_IOC_RELEASE");
			/* Not reached: there are no more. Otherwise the kernel did without. */
			if (atoi(text))
				break;
			continue;
		}
		refused++;
		if (error != ENOMEM && error != EFAULT && error != ETIMEDOUT && error != EIO) {
			errno = error;
			fail("with an allocation failing");
		}
	}
	printf("allocations %u, refused %u\n", n - 1, refused);
}

static uint64_t bare_fork_us(void)
{
	uint64_t start = now_ns(), took;
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	took = now_ns() - start;
	waitpid(pid, NULL, 0);
	return took / 1000;
}

static void spoil(void)
{
	unsigned int i;

	for (i = 0; i < range_count; i++) {
		char *p = (char *)(uintptr_t)ranges[i].start;
		size_t bytes = ranges[i].pages * PAGE, at;

		if (bytes > 1UL << 32)
			continue;
		mprotect(p, bytes, PROT_READ | PROT_WRITE);
		for (at = 0; at < bytes; at += PAGE)
			memset(p + at, 0xee, PAGE);
	}
}

static void print_endpoint(const struct mitosis_ioc_endpoint *endpoint)
{
	const struct sockaddr_in *in = (const void *)endpoint->sockaddr;
	const struct sockaddr_in6 *in6 = (const void *)endpoint->sockaddr;
	char text[INET6_ADDRSTRLEN];

	if (in->sin_family == AF_INET)
		printf("endpoint %s %u\n", inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text)),
		       ntohs(in->sin_port));
	else
		printf("endpoint %s %u\n", inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text)),
		       ntohs(in6->sin6_port));
}

/* What must be refused, each on the open file that has no snapshot yet. */
static void refuse_bad_ranges(int fd, struct mitosis_ioc_snapshot *io)
{
	const uint64_t top = 1ULL << 47;
	struct mitosis_ioc_range bad[][2] = {
		{ { 0x10001, 1 }, { 0x20000, 1 } },		/* not aligned */
		{ { 0x10000, 0 }, { 0x20000, 1 } },		/* empty */
		{ { 0x10000, 17 }, { 0x20000, 1 } },		/* overlap */
		{ { 0x20000, 1 }, { 0x10000, 1 } },		/* descending */
		{ { 0x10000, 1 }, { top, 1 } },			/* the kernel's */
		{ { 0x10000, 1 }, { 0x20000, ~0ULL >> 12 } },	/* wraps */
		{ { 0x10000, 1 }, { 0x20000, ~0ULL } },
	};
	struct mitosis_ioc_snapshot try;
	unsigned int i;

	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		try = *io;
		try.ranges = (uintptr_t)bad[i];
		try.range_count = 2;
		if (!ioctl(fd, MITOSIS_IOC_SNAPSHOT, &try) || errno != EINVAL) {
			fprintf(stderr, "snapshot: bad ranges %u: %s\n", i, strerror(errno));
			exit(1);
		}
	}
	try = *io;
	try.range_count = MITOSIS_RANGES_MAX + 1;
	if (!ioctl(fd, MITOSIS_IOC_SNAPSHOT, &try) || errno != EINVAL)
		fail("too many ranges");
}

/* Memory that cannot be lent is refused, not left out. */
static void refuse_strange_memory(int fd, struct mitosis_ioc_snapshot *io)
{
	struct mitosis_ioc_snapshot try = *io;
	struct mitosis_ioc_range range;
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned long start, end;
	char line[512];

	while (maps && fgets(line, sizeof(line), maps)) {
		if (!strstr(line, "[vvar]") || sscanf(line, "%lx-%lx", &start, &end) != 2)
			continue;
		range = (struct mitosis_ioc_range){ start, (end - start) / PAGE };
		try.ranges = (uintptr_t)&range;
		try.range_count = 1;
		errno = 0;
		if (!ioctl(fd, MITOSIS_IOC_SNAPSHOT, &try) || errno != EOPNOTSUPP)
			fail("[vvar]");
	}
	if (maps)
		fclose(maps);
}

static void usage(void)
{
	fprintf(stderr, "usage: snapshot UUID [--size MIB] [--huge] [--swap] [--many N]\n"
			"                     [--repeat N] [--fail] [--device PATH]\n");
	exit(2);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "size", 1, NULL, 's' }, { "huge", 0, NULL, 'h' }, { "swap", 0, NULL, 'w' },
		{ "many", 1, NULL, 'm' }, { "device", 1, NULL, 'd' }, { "repeat", 1, NULL, 'r' },
		{ "fail", 0, NULL, 'f' }, {}
	};
	struct mitosis_ioc_snapshot *io;
	size_t size = 16;
	int fd, other, c, error, huge = 0, swap = 0, failing = 0;
	unsigned int many = 0, repeat = 0;
	uint64_t fork_us;
	char line[64];

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 's': size = strtoul(optarg, NULL, 10); break;
		case 'h': huge = 1; break;
		case 'w': swap = 1; break;
		case 'm': many = strtoul(optarg, NULL, 10); break;
		case 'd': device = optarg; break;
		case 'f': failing = 1; break;
		case 'r': repeat = strtoul(optarg, NULL, 10); break;
		default: usage();
		}
	}
	if (argc - optind != 1)
		usage();
	setvbuf(stdout, NULL, _IOLBF, 0);
	ranges = calloc(RANGES, sizeof(*ranges));
	io = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (!ranges || io == MAP_FAILED)
		fail("memory");
	io->size = sizeof(*io);
	if (uuid_parse(argv[optind], io->uuid))
		usage();
	fd = open(device, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		fail(device);
	lay_out(size << 20, huge, swap, many);
	refuse_bad_ranges(fd, io);
	refuse_strange_memory(fd, io);
	io->ranges = (uintptr_t)ranges;
	io->range_count = range_count;
	if (failing)
		fail_each_allocation(fd, io);
	fork_us = bare_fork_us();
	/* Made and released over and over: for leaks, and for the regions kept for reuse. */
	for (; repeat; repeat--) {
		error = snapshot_in_child(fd, io);
		if (!error && ioctl(fd, MITOSIS_IOC_RELEASE))
			error = errno;
		io->reserved = 0;
		if (error) {
			errno = error;
			fail("repeated");
		}
	}
	error = snapshot_in_child(fd, io);
	if (error) {
		errno = error;
		fail("MITOSIS_IOC_SNAPSHOT");
	}
	print_endpoint(&io->endpoint);
	printf("expect %llu\n", (unsigned long long)expected);
	printf("snapshot %llu %llu %u us, fork %llu us\n", (unsigned long long)io->pages,
	       (unsigned long long)io->table_bytes, io->reserved, (unsigned long long)fork_us);
	if (io->pages != expected) {
		fprintf(stderr, "snapshot: %llu pages held, not %llu\n",
			(unsigned long long)io->pages, (unsigned long long)expected);
		return 1;
	}
	io->reserved = 0;
	spoil();
	puts("ready");
	while (fgets(line, sizeof(line), stdin)) {
		if (!strcmp(line, "release\n")) {
			if (ioctl(fd, MITOSIS_IOC_RELEASE))
				fail("MITOSIS_IOC_RELEASE");
			puts("released");
		} else if (!strcmp(line, "again\n")) {
			other = open(device, O_RDWR | O_CLOEXEC);
			error = ioctl(other, MITOSIS_IOC_SNAPSHOT, io) ? errno : 0;
			close(other);
			printf("again: %s\n", strerror(error));
		}
	}
	return 0;
}
