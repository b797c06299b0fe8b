// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * helper.c - what the scripts cannot find out by themselves.
 *
 *	helper uffd	status 0 if this user may have a userfaultfd that sees kernel faults
 *	helper fields	name, offset and size of each field of the descriptor and the wire format
 *	helper shared	a parent that shares anonymous memory with a child: prints its reference, waits for input
 *	helper covered DIRECTORY	the same with a file there over which another file system is mounted, with
 *				a file of the same name, number, size and time; in a mount namespace of its own
 *	helper hugepage	the same with a private huge page (MAP_HUGETLB)
 *	helper viewed	the same with memory that it only reads, of a memfd
 */
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "format/descriptor.h"
#include "mitosis.h"
#include "format/wire.h"

#ifndef USERFAULTFD_IOC_NEW
#define USERFAULTFD_IOC_NEW _IO(0xAA, 0x00)
#endif

static int have_uffd(void)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_EVENT_REMAP | UFFD_FEATURE_EVENT_REMOVE | UFFD_FEATURE_EVENT_UNMAP,
	};
	int device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC), fd = -1;

	if (device >= 0)
		fd = ioctl(device, USERFAULTFD_IOC_NEW, O_CLOEXEC);
	if (fd < 0)
		fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	return fd >= 0 && !ioctl(fd, UFFDIO_API, &api);
}

#define FIELD(struct_, member) \
	printf("%s.%s %zu %zu\n", #struct_, #member, offsetof(struct struct_, member), \
	       sizeof(((struct struct_ *)0)->member))

static void print_fields(void)
{
	printf("descriptor 0 %zu\n", sizeof(struct descriptor));
	FIELD(descriptor, magic);
	FIELD(descriptor, major);
	FIELD(descriptor, minor);
	FIELD(descriptor, page_size);
	FIELD(descriptor, length);
	FIELD(descriptor, user_end);
	FIELD(descriptor, cpu);
	FIELD(descriptor, cpu.words);
	FIELD(descriptor, cpu.xcr0);
	FIELD(descriptor, cpu.xsave_layout);
	FIELD(descriptor, vdso_hash);
	FIELD(descriptor, vdso_image_length);
	FIELD(descriptor, child_state);
	FIELD(descriptor, pages);
	FIELD(descriptor, hot_pages);
	FIELD(descriptor, vmas);
	FIELD(descriptor, strings);
	printf("wire_frame 0 %zu\n", sizeof(struct wire_frame));
	FIELD(wire_hello, magic);
	FIELD(wire_hello, major);
	FIELD(wire_hello, uuid);
}

static int be_shared(bool view)
{
	int fd = view ? memfd_create("viewed", MFD_CLOEXEC) : -1, ret;
	char ref[MITOSIS_REF_MAX], c, *p;

	if (view && (fd < 0 || write(fd, "1", 1) != 1))
		return 99;
	p = mmap(NULL, 4096, PROT_READ | (view ? 0 : PROT_WRITE), MAP_SHARED | (view ? 0 : MAP_ANONYMOUS), fd, 0);
	if (p == MAP_FAILED)
		return 99;
	if (!view)
		*p = 1;
	if (!fork()) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	ret = mitosis_prepare(NULL, ref);
	if (ret)
		return 1;
	printf("%s\n", ref);
	fflush(stdout);
	return read(0, &c, 1) < 0;
}

static int be_huge(void)
{
	char ref[MITOSIS_REF_MAX], c;
	char *p = mmap(NULL, 2 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);

	if (p == MAP_FAILED)
		return 77;
	memset(p, 7, 2 << 20);
	if (mitosis_prepare(NULL, ref))
		return 1;
	printf("%s\n", ref);
	fflush(stdout);
	/* With none to spare the kernel takes the page from the copy for this. */
	*p = 8;
	for (size_t i = 1; i < 2 << 20; i++)
		if (p[i] != 7)
			return 1;
	return read(0, &c, 1) < 0;
}

/* A file of 4096 times the letter on a new file system; its mapping. */
static char *map_on_new(const char *directory, char letter)
{
	const struct timespec times[2] = { { 1000000000, 0 }, { 1000000000, 0 } };
	char path[4096], page[4096], *p;
	int fd;

	snprintf(path, sizeof(path), "%s/data", directory);
	memset(page, letter, sizeof(page));
	if (mount("helper", directory, "tmpfs", 0, NULL))
		return NULL;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, page, sizeof(page)) != (ssize_t)sizeof(page) || futimens(fd, times))
		return NULL;
	p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	return p == MAP_FAILED ? NULL : p;
}

static int be_covered(const char *directory)
{
	char ref[MITOSIS_REF_MAX], c, *p;
	int ret;

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return 77;
	p = map_on_new(directory, 'a');
	if (!p || !map_on_new(directory, 'b'))
		return 99;
	ret = mitosis_prepare(NULL, ref);
	if (ret < 0)
		return 1;
	printf("%s\n", ret ? (*p == 'a' ? "ok covered" : "WRONG BYTES") : ref);
	fflush(stdout);
	return ret ? 0 : read(0, &c, 1) < 0;
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "uffd"))
		return have_uffd() ? 0 : 1;
	if (argc == 2 && !strcmp(argv[1], "fields")) {
		print_fields();
		return 0;
	}
	if (argc == 2 && !strcmp(argv[1], "shared"))
		return be_shared(false);
	if (argc == 2 && !strcmp(argv[1], "viewed"))
		return be_shared(true);
	if (argc == 2 && !strcmp(argv[1], "hugepage"))
		return be_huge();
	if (argc == 3 && !strcmp(argv[1], "covered"))
		return be_covered(argv[2]);
	fprintf(stderr, "usage: helper uffd|fields|shared|viewed|hugepage|covered DIRECTORY\n");
	return 2;
}
