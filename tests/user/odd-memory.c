// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * odd-memory.c - a parent with memory of a kind that no child can have.
 *
 *	odd-memory KIND		prints its reference and waits for input; status 77: not to be had here
 *	odd-memory		lists the kinds
 *
 * Where it is possible the memory is only read: what is written to is refused as shared in any case.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/if_packet.h>
#include <linux/perf_event.h>
#include <linux/userfaultfd.h>
#include <net/ethernet.h>
#include <arpa/inet.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mitosis.h"

#define PAGE 4096UL
#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif

static int read_only(int fd, uint64_t bytes, int flags)
{
	return fd < 0 || mmap(NULL, bytes, PROT_READ, flags, fd, 0) == MAP_FAILED ? -1 : 0;
}

static int make_secret(void)
{
	int fd = (int)syscall(SYS_memfd_secret, 0);

	return fd < 0 || ftruncate(fd, PAGE) ? -1 : read_only(fd, PAGE, MAP_SHARED);
}

static int make_sysv(void)
{
	int id = shmget(IPC_PRIVATE, PAGE, 0600);
	void *p = id < 0 ? (void *)-1 : shmat(id, NULL, SHM_RDONLY);

	if (id >= 0)
		shmctl(id, IPC_RMID, NULL);
	if (p == (void *)-1)
		return -1;
	/* Another process has it, too. */
	pid_t parent = getpid();

	if (!fork()) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* It may have ended before. */
		while (getppid() == parent)
			pause();
		_exit(0);
	}
	return 0;
}

static int make_device(void)
{
	return read_only(open("/dev/mem", O_RDONLY | O_CLOEXEC), PAGE, MAP_SHARED);
}

static int make_private_device(void)
{
	return read_only(open("/dev/mem", O_RDONLY | O_CLOEXEC), PAGE, MAP_PRIVATE);
}

static int make_packet(void)
{
	struct tpacket_req r = {
		.tp_block_size = PAGE, .tp_block_nr = 1, .tp_frame_size = 2048, .tp_frame_nr = 2,
	};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));

	if (fd < 0 || setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &r, sizeof(r)))
		return -1;
	return read_only(fd, PAGE, MAP_SHARED);
}

static int make_perf(void)
{
	struct perf_event_attr a = { .type = PERF_TYPE_SOFTWARE, .size = sizeof(a), .config = PERF_COUNT_SW_CPU_CLOCK };
	int fd = (int)syscall(SYS_perf_event_open, &a, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);

	return read_only(fd, PAGE, MAP_SHARED);
}

static int make_aio(void)
{
	aio_context_t context = 0;

	return syscall(SYS_io_setup, 4, &context) ? -1 : 0;
}

/* Somebody else fills the pages when they are touched: here a process that holds the only descriptor. */
static char *faulted;

static __attribute__((noreturn)) void fill_on_demand(int uffd)
{
	static char page[PAGE];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	memset(page, 'D', PAGE);
	for (;;) {
		struct uffd_msg m;

		if (read(uffd, &m, sizeof(m)) == sizeof(m)) {
			struct uffdio_copy copy = {
				.dst = m.arg.pagefault.address & ~(PAGE - 1), .src = (uintptr_t)page, .len = PAGE,
			};

			ioctl(uffd, UFFDIO_COPY, &copy);
		}
	}
}

static int make_registered(void)
{
	int uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register r = { .range.len = 64 * PAGE, .mode = UFFDIO_REGISTER_MODE_MISSING };

	faulted = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	r.range.start = (uintptr_t)faulted;
	if (uffd < 0 || faulted == MAP_FAILED || ioctl(uffd, UFFDIO_API, &api) || ioctl(uffd, UFFDIO_REGISTER, &r))
		return -1;
	if (!fork())
		fill_on_demand(uffd);
	close(uffd);
	return faulted[0] == 'D' ? 0 : -1;
}

/* The same in a process that is confined, which the library asks for nothing unusual. */
static int make_confined(void)
{
	int ret = make_registered();

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	/* One instruction: allowed. */
	struct { uint16_t code; uint8_t jt, jf; uint32_t k; } allow = { 0x06, 0, 0, 0x7fff0000 };
	struct { uint16_t length; void *filter; } program = { 1, &allow };

	return ret ? ret : prctl(PR_SET_SECCOMP, 2, &program);
}

static const struct kind {
	const char *name;
	int (*make)(void);
} kinds[] = {
	{ "secret", make_secret },
	{ "sysv", make_sysv },
	{ "device", make_device },
	{ "private-device", make_private_device },
	{ "packet", make_packet },
	{ "perf", make_perf },
	{ "aio", make_aio },
	{ "registered", make_registered },
	{ "confined", make_confined },
};

int main(int argc, char **argv)
{
	char ref[MITOSIS_REF_MAX], c;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (argc < 2) {
			puts(kinds[i].name);
			continue;
		}
		if (strcmp(kinds[i].name, argv[1]))
			continue;
		if (kinds[i].make()) {
			printf("%s: %s\n", argv[1], strerror(errno));
			return 77;
		}
		int ret = mitosis_prepare(NULL, ref);

		if (ret) {
			printf("%s\n", ret > 0 ? "a child" : strerror(-ret));
			return 1;
		}
		/* What is filled on demand is still so, for the parent. */
		for (size_t at = 0; faulted && at < 64 * PAGE; at += PAGE)
			if (faulted[at] != 'D')
				return 1;
		puts(ref);
		fflush(stdout);
		return read(0, &c, 1) < 0;
	}
	return argc < 2 ? 0 : 99;
}
