// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * failing.c - what a child's memory does when the kernel has no memory.
 *
 *   failing UUID ADDRESS PORT		of a snapshot that "semantics parent" made on another host
 *
 * Each deed is done again and again, and the Nth time its Nth allocation fails (/proc/thread-self/fail-nth),
 * until there are no more. It may be refused, or the kernel may do without; a page may be lost, with
 * SIGBUS; but what is read must be right: each page of the snapshot tells its address, and what was
 * discarded is zeros. Prints a line for each deed. Exit status 1 if one was wrong or nothing was refused.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mitosis_ioctl.h"
#include "pattern.h"

#define PAGES	64UL		/* of the snapshot that a deed works on */
#define MOST	2000U		/* allocations of one deed */

enum outcome { DONE, REFUSED, WRONG };

static struct mitosis_ioc_open model;
static uint64_t base;		/* of PAGES pages of the snapshot */
static int device, fail_nth, memory;	/* memory: opened without failures */
static volatile sig_atomic_t guarded;
static sigjmp_buf lost;

static void need(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "failing: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void on_bus_error(int signal)
{
	if (guarded)
		siglongjmp(lost, 1);
	_exit(1);
}

/* Nothing that this process does for itself is to fail: the number stands only around the deed's core. */
static void fail_at(unsigned int n)
{
	char text[16];

	need(pwrite(fail_nth, text, (size_t)snprintf(text, sizeof(text), "%u", n), 0) > 0, "fail-nth");
}

/* Was there an Nth allocation? Reading the number may be what fails: then there was not, yet. */
static bool end_failing(void)
{
	char text[16] = "";
	bool used = pread(fail_nth, text, sizeof(text) - 1, 0) > 0 && !atoi(text);

	if (pwrite(fail_nth, "0", 1, 0) < 0)
		need(pwrite(fail_nth, "0", 1, 0) > 0, "fail-nth");
	return used;
}

static bool is_zero(const uint64_t *page)
{
	for (unsigned int i = 0; i < PAGE / 8; i++)
		if (page[i])
			return false;
	return true;
}

static int open_snapshot(void)
{
	return ioctl(device, MITOSIS_IOC_OPEN, &model);
}

static char *map(int fd)
{
	char *at = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, (off_t)base);

	return at == MAP_FAILED ? NULL : at;
}

static enum outcome compare(const char *at, unsigned long first, unsigned long end, bool discarded)
{
	for (unsigned long i = first; i < end; i++)
		if (discarded ? !is_zero((const uint64_t *)(at + i * PAGE)) :
				!pattern_matches(at + i * PAGE, base + i * PAGE))
			return WRONG;
	return DONE;
}

static enum outcome change(char *at)
{
	for (unsigned long i = 0; i < PAGES; i += 8)
		*(volatile uint64_t *)(at + i * PAGE + 8) = pattern_word(base + i * PAGE + 8);
	return DONE;
}

/* Pages [first, end) of the mapping; if one is lost, REFUSED. */
static enum outcome look(const char *at, unsigned long first, unsigned long end, bool discarded)
{
	volatile enum outcome outcome = REFUSED;

	if (!sigsetjmp(lost, 1)) {
		guarded = 1;
		outcome = compare(at, first, end, discarded);
	}
	guarded = 0;
	return outcome;
}

static enum outcome write_all(char *at)
{
	volatile enum outcome outcome = REFUSED;

	if (!sigsetjmp(lost, 1)) {
		guarded = 1;
		outcome = change(at);
	}
	guarded = 0;
	return outcome;
}

/* ---- The deeds; each calls fail_at(n) and end_failing() once ---- */

static enum outcome do_open(unsigned int n, bool *used)
{
	enum outcome outcome;
	char *at;
	int fd;

	fail_at(n);
	fd = open_snapshot();
	*used = end_failing();
	if (fd < 0)
		return REFUSED;
	at = map(fd);
	outcome = at ? look(at, 0, 4, false) : REFUSED;
	if (at)
		munmap(at, PAGES * PAGE);
	close(fd);
	return outcome;
}

static enum outcome do_map(unsigned int n, bool *used)
{
	enum outcome outcome = REFUSED;
	char *at;

	fail_at(n);
	at = map(memory);
	*used = end_failing();
	if (!at)
		return REFUSED;
	outcome = look(at, 0, PAGES, false);
	munmap(at, PAGES * PAGE);
	return outcome;
}

/* The pages are this file's own, so they are fetched each time. */
static enum outcome do_read(unsigned int n, bool *used)
{
	enum outcome outcome = REFUSED;
	int fd = open_snapshot();
	char *at = fd < 0 ? NULL : map(fd);

	if (at) {
		fail_at(n);
		outcome = look(at, 0, PAGES, false);
		*used = end_failing();
		/* What failed once must not stay in the page cache as if it were there. */
		if (outcome == REFUSED && look(at, 0, PAGES, false) == WRONG)
			outcome = WRONG;
		munmap(at, PAGES * PAGE);
	}
	close(fd);
	return outcome;
}

static enum outcome do_write(unsigned int n, bool *used)
{
	char *at = map(memory);
	enum outcome outcome;

	need(at, "mmap");
	fail_at(n);
	outcome = write_all(at);
	*used = end_failing();
	if (outcome == DONE)
		outcome = look(at, 0, PAGES, false);
	munmap(at, PAGES * PAGE);
	return outcome;
}

static enum outcome do_discard(unsigned int n, bool *used)
{
	char *at = map(memory);
	enum outcome outcome;
	int error;

	need(at, "mmap");
	need(look(at, 0, PAGES / 2, false) == DONE, "touch");
	fail_at(n);
	error = madvise(at + 8 * PAGE, 32 * PAGE, MADV_DONTNEED);
	outcome = error ? REFUSED : look(at, 8, 40, true);
	*used = end_failing();
	if (outcome != WRONG && (look(at, 8, 40, !error) == WRONG || look(at, 40, PAGES, false) == WRONG))
		outcome = WRONG;
	munmap(at, PAGES * PAGE);
	return outcome;
}

/* A hole in the middle splits, a move joins no more. */
static enum outcome do_rearrange(unsigned int n, bool *used)
{
	char *at = map(memory), *moved;
	enum outcome outcome = DONE;
	bool cut, protect;

	need(at, "mmap");
	need(!madvise(at + 30 * PAGE, 4 * PAGE, MADV_DONTNEED), "madvise");
	fail_at(n);
	protect = !mprotect(at + 8 * PAGE, 2 * PAGE, PROT_READ);
	cut = !munmap(at + 16 * PAGE, 4 * PAGE);
	moved = mremap(at + 20 * PAGE, 20 * PAGE, 30 * PAGE, MREMAP_MAYMOVE);
	*used = end_failing();
	if (!protect || !cut || moved == MAP_FAILED)
		outcome = REFUSED;
	if (moved == MAP_FAILED)
		moved = at + 20 * PAGE;
	if (look(at, 0, 16, false) == WRONG || look(moved - 20 * PAGE, 20, 30, false) == WRONG ||
	    look(moved - 20 * PAGE, 30, 34, true) == WRONG || look(moved - 20 * PAGE, 34, 40, false) == WRONG)
		outcome = WRONG;
	if (moved != at + 20 * PAGE && look(moved - 20 * PAGE, 40, 50, true) == WRONG)
		outcome = WRONG;
	if (!cut && look(at, 16, 20, false) == WRONG)
		outcome = WRONG;
	munmap(moved, 30 * PAGE);
	munmap(at, PAGES * PAGE);
	return outcome;
}

static enum outcome do_fork(unsigned int n, bool *used)
{
	char *at = map(memory);
	enum outcome outcome;
	int status;
	pid_t pid;

	need(at, "mmap");
	need(!madvise(at + 8 * PAGE, 8 * PAGE, MADV_DONTNEED), "madvise");
	fail_at(n);
	pid = fork();
	if (!pid) {
		/* Without memory for its mappings it has no access to them at all. */
		outcome = look(at, 0, 8, false);
		if (outcome == DONE)
			outcome = look(at, 8, 16, true);
		if (outcome == DONE)
			outcome = look(at, 16, PAGES, false);
		_exit(outcome);
	}
	*used = end_failing();
	outcome = REFUSED;
	if (pid > 0) {
		need(waitpid(pid, &status, 0) == pid, "waitpid");
		outcome = !WIFEXITED(status) ? WRONG : WEXITSTATUS(status);
	}
	munmap(at, PAGES * PAGE);
	return outcome;
}

static enum outcome do_prefetch(unsigned int n, bool *used)
{
	struct mitosis_ioc_range range = { base, PAGES };
	struct mitosis_ioc_prefetch io = { .size = sizeof(io), .ranges = (uintptr_t)&range, .range_count = 1 };
	enum outcome outcome = REFUSED;
	int fd = open_snapshot();
	char *at = fd < 0 ? NULL : map(fd);

	if (at) {
		fail_at(n);
		outcome = ioctl(fd, MITOSIS_IOC_PREFETCH, &io) ? REFUSED : DONE;
		*used = end_failing();
		if (look(at, 0, PAGES, false) != DONE)
			outcome = WRONG;
		munmap(at, PAGES * PAGE);
	}
	close(fd);
	return outcome;
}

static enum outcome do_ask(unsigned int n, bool *used)
{
	uint64_t addresses[8];
	struct mitosis_ioc_next next = { .size = sizeof(next), .start = base };
	struct mitosis_ioc_state state = { .size = sizeof(state) };
	struct mitosis_ioc_recorded recorded = {
		.size = sizeof(recorded), .addresses = (uintptr_t)addresses, .count = 8,
	};
	bool good;

	fail_at(n);
	good = !ioctl(memory, MITOSIS_IOC_NEXT, &next) && !ioctl(memory, MITOSIS_IOC_STATE, &state) &&
	       !ioctl(memory, MITOSIS_IOC_RECORDED, &recorded);
	*used = end_failing();
	return good ? DONE : REFUSED;
}

static const struct {
	const char *name;
	enum outcome (*function)(unsigned int n, bool *used);
} deeds[] = {
	{ "open", do_open }, { "map", do_map }, { "read", do_read }, { "write", do_write },
	{ "discard", do_discard }, { "rearrange", do_rearrange }, { "fork", do_fork },
	{ "prefetch", do_prefetch }, { "ask", do_ask },
};

static void find_base(void)
{
	struct mitosis_ioc_next io = { .size = sizeof(io) };

	need(!ioctl(memory, MITOSIS_IOC_NEXT, &io) && io.pages >= PAGES, "MITOSIS_IOC_NEXT");
	base = io.start;
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	unsigned int refused, all = 0, n;
	bool used = true;
	int wrong = 0;

	if (argc != 4 || uuid_parse(argv[1], model.uuid) || inet_pton(AF_INET, argv[2], &to.sin_addr) != 1) {
		fprintf(stderr, "usage: failing UUID ADDRESS PORT\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	to.sin_port = htons((uint16_t)atoi(argv[3]));
	model.size = sizeof(model);
	model.flags = MITOSIS_OPEN_PRIVATE | MITOSIS_OPEN_RECORD;
	model.window = 8;
	model.endpoint.length = sizeof(to);
	memcpy(model.endpoint.sockaddr, &to, sizeof(to));
	device = open(MITOSIS_DEVICE_PATH, O_RDWR | O_CLOEXEC);
	need(device >= 0, MITOSIS_DEVICE_PATH);
	fail_nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	need(fail_nth >= 0, "fail-nth");
	memory = open_snapshot();
	need(memory >= 0, "MITOSIS_IOC_OPEN");
	find_base();
	signal(SIGBUS, on_bus_error);
	for (unsigned int i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++) {
		refused = 0;
		used = true;
		for (n = 1; used && n <= MOST; n++) {
			enum outcome outcome;

			used = false;
			outcome = deeds[i].function(n, &used);
			if (outcome == WRONG) {
				printf("WRONG: %s, allocation %u\n", deeds[i].name, n);
				wrong = 1;
			}
			if (outcome == REFUSED && !used) {
				printf("WRONG: %s: refused without cause: %s\n", deeds[i].name, strerror(errno));
				wrong = 1;
			}
			refused += outcome == REFUSED;
		}
		printf("%-9s %4u allocations, %u refused\n", deeds[i].name, n - 2, refused);
		if (n > MOST)
			wrong = 1;
		all += refused;
	}
	return wrong || !all;
}
