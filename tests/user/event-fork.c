// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * event-fork.c - why a resumed child fetches everything before fork(2).
 *
 * The alternative would be UFFD_FEATURE_EVENT_FORK, which gives the pager a userfaultfd for the copy.
 * The pager then holds the only descriptor of it. This program shows what the kernel does when that
 * pager is killed: the copy reads zeros where data should be, and nothing tells it. It passes while
 * that is so, which is the reason for the design; the day it fails, the design may be reconsidered.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_EVENT_FORK };
	int uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC), ready[2], go[2], status;
	volatile char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct uffdio_register r = {
		.range = { (unsigned long)page, 4096 }, .mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	pid_t pager, copy;
	char c;

	if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api)) {
		printf("userfaultfd with fork events: %s\n", strerror(errno));
		return 77;
	}
	if (pipe(ready) || pipe(go))
		return 99;
	pager = fork();		/* before anything is registered: this fork makes no event */
	if (!pager) {
		struct uffd_msg m;

		/* The fork that makes the copy waits until this is read; the copy's descriptor is in m. */
		if (read(uffd, &m, sizeof(m)) != (ssize_t)sizeof(m) || m.event != UFFD_EVENT_FORK)
			_exit(99);
		(void)!write(ready[1], "", 1);
		pause();
		_exit(0);
	}
	if (ioctl(uffd, UFFDIO_REGISTER, &r))
		return 99;
	copy = fork();
	if (!copy) {
		(void)!read(go[0], &c, 1);
		_exit(*page == 0 ? 42 : 1);	/* its pager would have put something here */
	}
	if (pager < 0 || copy < 0 || read(ready[0], &c, 1) != 1)
		return 99;
	kill(pager, SIGKILL);
	waitpid(pager, NULL, 0);
	(void)!write(go[1], "", 1);
	alarm(10);	/* a copy that blocks is the better kernel: end with SIGALRM, not a pass */
	waitpid(copy, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 42) {
		printf("a copy whose pager was killed reads zeros: fork must fetch everything first\n");
		return 0;
	}
	printf("the copy ended with status 0x%x\n", status);
	return 1;
}
