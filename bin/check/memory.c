// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* memory.c - probes of mitosis-check: userfaultfd by every way to it, huge pages, pagemap. */
#include "item.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/userfaultfd.h>
#include <pwd.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "uffd.h"

#ifndef USERFAULTFD_IOC_NEW
#define USERFAULTFD_IOC_NEW _IO(0xAA, 0x00)	/* Linux 6.1 */
#endif

#define DEVICE "/dev/userfaultfd"

/* Linux 6.7; the header of an older system does not have it. */
struct pagemap_scan_arg {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
struct pagemap_region {
	uint64_t start, end, categories;
};
#define PAGEMAP_SCAN_NUMBER	_IOWR('f', 16, struct pagemap_scan_arg)
#define PAGEMAP_PRESENT		(1u << 3)

/* With the pager's own descriptor: register a page, put content there, see it. */
static int deliver_page(int fd)
{
	uint64_t bytes = (uint64_t)sysconf(_SC_PAGESIZE);
	char *page = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *content = malloc(bytes);
	struct uffdio_register reg = {
		.range = { (uintptr_t)page, bytes }, .mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	struct uffdio_copy copy = { .dst = (uintptr_t)page,
				    .src = (uintptr_t)content,
				    .len = bytes };
	int err = 0;

	if (page == MAP_FAILED || !content) {
		err = -ENOMEM;
	} else {
		memset(content, 0x5a, bytes);
		if (ioctl(fd, UFFDIO_REGISTER, &reg) || ioctl(fd, UFFDIO_COPY, &copy))
			err = -errno;
		else if (memcmp(page, content, bytes))
			err = -EIO;
		/* While it is registered, munmap waits until somebody reads the event. */
		ioctl(fd, UFFDIO_UNREGISTER, &reg.range);
	}
	if (page != MAP_FAILED)
		munmap(page, bytes);
	free(content);
	return err;
}

static const char *user_name(void)
{
	const struct passwd *user = getpwuid(geteuid());

	return user ? user->pw_name : "USER";
}

static void remedy_for_uffd(struct item *item, int err)
{
	struct stat st;
	const struct group *group;

	if (err == -ENOSYS) {
		item_remedy(item, "a kernel with CONFIG_USERFAULTFD=y");
		return;
	}
	if (!geteuid()) {
		item_remedy(
			item,
			"allow userfaultfd in the container's seccomp profile, or give it CAP_SYS_PTRACE");
		return;
	}
	if (stat(DEVICE, &st)) {
		item_remedy(item, "sudo sysctl vm.unprivileged_userfaultfd=1");
		return;
	}
	group = getgrgid(st.st_gid);
	if (st.st_gid && group && (st.st_mode & 0060) == 0060)
		item_remedy(item, "sudo usermod -aG %s %s, then log in again", group->gr_name,
			    user_name());
	else
		item_remedy(item,
			    "sudo systemd-sysusers && sudo udevadm control --reload && "
			    "sudo udevadm trigger " DEVICE
			    " && sudo usermod -aG mitosis %s, then log in again",
			    user_name());
}

void probe_userfaultfd(struct item *item)
{
	int fd = uffd_open(), err = fd < 0 ? fd : deliver_page(fd);

	if (fd >= 0)
		close(fd);
	if (!err) {
		item_set(item, STATE_OK, "pages can be fetched when they are touched");
		return;
	}
	item_set(item, STATE_NO, "%s: all memory is fetched before a child runs", strerror(-err));
	remedy_for_uffd(item, err);
}

void probe_uffd_syscall(struct item *item)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK), err = errno;

	if (fd >= 0) {
		close(fd);
		item_set(item, STATE_OK, "the system call is permitted");
		return;
	}
	item_set(item, item_state("userfaultfd") == STATE_OK ? STATE_LIMITED : STATE_NO,
		 "userfaultfd(2): %s%s", strerror(err),
		 err == EPERM && geteuid() ? " (needs CAP_SYS_PTRACE)" : "");
}

void probe_uffd_device(struct item *item)
{
	int device = open(DEVICE, O_RDWR | O_CLOEXEC), err = errno, fd;
	const struct group *group;
	char owner[80] = "";
	struct stat st;

	if (!stat(DEVICE, &st)) {
		group = getgrgid(st.st_gid);
		snprintf(owner, sizeof(owner), ", group %s, mode %04o",
			 group ? group->gr_name : "?", (unsigned int)st.st_mode & 07777);
	}
	fd = device < 0 ? -1 : ioctl(device, USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK);
	if (device >= 0 && fd < 0)
		err = errno;
	if (device >= 0)
		close(device);
	if (fd >= 0) {
		close(fd);
		item_set(item, STATE_OK, DEVICE "%s", owner);
		return;
	}
	item_set(item, item_state("userfaultfd") == STATE_OK ? STATE_LIMITED : STATE_NO,
		 DEVICE ": %s%s", strerror(err), owner);
	if (err == ENOENT)
		item_remedy(item, "Linux 6.1 or later");
}

void probe_uffd_sysctl(struct item *item)
{
	char value[16];

	read_line("/proc/sys/vm/unprivileged_userfaultfd", value, sizeof(value));
	if (!*value)
		item_set(item, STATE_NO, "no vm.unprivileged_userfaultfd in this kernel");
	else if (strcmp(value, "0"))
		item_set(item, STATE_OK, "vm.unprivileged_userfaultfd = %s: open to every user",
			 value);
	else
		item_set(item, STATE_LIMITED,
			 "vm.unprivileged_userfaultfd = 0: other users need the device");
	if (item->state == STATE_LIMITED && item_state("userfaultfd") != STATE_OK)
		item_remedy(item,
			    "%ssysctl vm.unprivileged_userfaultfd=1 (every user; the device is narrower)",
			    item_sudo());
}

void probe_uffd_features(struct item *item)
{
	static const struct {
		uint64_t bit;
		const char *name;
		bool needed;
	} features[] = {
		{ UFFD_FEATURE_EVENT_REMAP, "event_remap", true },
		{ UFFD_FEATURE_EVENT_REMOVE, "event_remove", true },
		{ UFFD_FEATURE_EVENT_UNMAP, "event_unmap", true },
		{ UFFD_FEATURE_EVENT_FORK, "event_fork", false },
		{ 1 << 7, "sigbus", false },
		{ 1 << 8, "thread_id", false },
		{ 1 << 5, "missing_shmem", false },
		{ 1 << 9, "minor_hugetlbfs", false },
		{ 1 << 10, "minor_shmem", false },
		{ 1 << 11, "exact_address", false },
		{ 1 << 12, "wp_hugetlbfs_shmem", false },
		{ 1 << 13, "wp_unpopulated", false },
		{ 1 << 14, "poison", false },
		{ 1 << 15, "wp_async", false },
		{ 1 << 16, "move", false },
	};
	/*
	 * UFFD_USER_MODE_ONLY needs no permission and is good enough to ask for the features; a
	 * request with features = 0 is answered with all that there are.
	 */
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	struct uffdio_api api = { .api = UFFD_API };
	char have[240] = "", lack[80] = "";

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api)) {
		item_set(item, STATE_NO, "userfaultfd(2): %s", strerror(errno));
		item_remedy(item, errno == EPERM
					  ? "allow userfaultfd in the container's seccomp profile"
					  : "a kernel with CONFIG_USERFAULTFD=y");
		if (fd >= 0)
			close(fd);
		return;
	}
	close(fd);
	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
		bool there = api.features & features[i].bit;
		char *list = there ? have : lack;
		size_t room = there ? sizeof(have) : sizeof(lack), used = strlen(list);

		if (there || features[i].needed)
			snprintf(list + used, room - used, "%s%s", used ? " " : "",
				 features[i].name);
	}
	if (!*lack) {
		item_set(item, STATE_OK, "%s", have);
		return;
	}
	item_set(item, STATE_NO, "needed and missing: %s", lack);
	item_remedy(item, "Linux 4.14 or later");
}

void probe_thp(struct item *item)
{
	char line[80], *open_bracket, *close_bracket;

	read_line("/sys/kernel/mm/transparent_hugepage/enabled", line, sizeof(line));
	open_bracket = strchr(line, '[');
	close_bracket = open_bracket ? strchr(open_bracket, ']') : NULL;
	if (!close_bracket) {
		item_set(item, STATE_NO,
			 "this kernel has no transparent huge pages: prepare copies larger page tables");
		item_remedy(item, "a kernel with CONFIG_TRANSPARENT_HUGEPAGE=y");
		return;
	}
	*close_bracket = '\0';
	if (strcmp(open_bracket + 1, "never")) {
		item_set(item, STATE_OK, "%s", open_bracket + 1);
		return;
	}
	item_set(item, STATE_LIMITED, "never: prepare copies larger page tables");
	item_remedy(item, "echo madvise | %stee /sys/kernel/mm/transparent_hugepage/enabled",
		    item_sudo());
}

void probe_pagemap_scan(struct item *item)
{
	uint64_t bytes = (uint64_t)sysconf(_SC_PAGESIZE);
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC), n, err;
	uint64_t here = (uintptr_t)&bytes & ~(bytes - 1), entry;
	struct pagemap_region region;
	struct pagemap_scan_arg arg = {
		.size = sizeof(arg), .start = here, .end = here + bytes, .vec = (uintptr_t)&region,
		.vec_len = 1, .category_mask = PAGEMAP_PRESENT, .return_mask = PAGEMAP_PRESENT,
	};

	if (fd < 0) {
		item_set(item, STATE_NO, "/proc/self/pagemap: %s: no snapshot can be taken",
			 strerror(errno));
		item_remedy(item, "a kernel with CONFIG_PROC_PAGE_MONITOR=y, and /proc mounted");
		return;
	}
	n = ioctl(fd, PAGEMAP_SCAN_NUMBER, &arg);
	err = errno;
	if (n == 1 && region.start == here)
		item_set(item, STATE_OK, "a snapshot's pages are found by PAGEMAP_SCAN");
	else if (pread(fd, &entry, 8, (off_t)(here / bytes * 8)) == 8 && entry >> 63)
		item_set(item, STATE_LIMITED,
			 "no PAGEMAP_SCAN before Linux 6.7 (%s): pagemap is read instead",
			 n < 0 ? strerror(err) : "no answer");
	else
		item_set(item, STATE_NO,
			 "/proc/self/pagemap does not show this process's own pages");
	close(fd);
}
