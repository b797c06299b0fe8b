// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* self.c - a program with one thread notes its own state, with nothing but system calls. */
#include "capture/capture.h"
#include "capture/rseq.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>

#ifndef PR_GET_TID_ADDRESS
#define PR_GET_TID_ADDRESS 40
#endif

struct dirent64 {
	uint64_t inode;
	int64_t offset;
	uint16_t length;
	uint8_t type;
	char name[];
};

/* -1: not a number, such as "." */
static int number_of(const char *name)
{
	int n = 0;

	if (*name < '0' || *name > '9')
		return -1;
	while (*name >= '0' && *name <= '9')
		n = n * 10 + *name++ - '0';
	return n;
}

/* The kernel lists descriptors in ascending order. */
static int note_positions(struct capture *c)
{
	static struct capture_position positions[CAPTURE_FDS_MAX];
	static char buffer[4096];
	long dir = sys(SYS_openat, AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC), n;

	if (dir < 0)
		return (int)dir;
	c->positions = positions;
	c->position_count = 0;
	while ((n = sys(SYS_getdents64, dir, buffer, sizeof(buffer))) > 0) {
		for (long at = 0; at < n;) {
			const struct dirent64 *e = (void *)(buffer + at);
			int fd = number_of(e->name);
			long position;

			at += e->length;
			if (fd < 0 || fd == dir)
				continue;
			/* What cannot be seeked has no position; a directory has. */
			position = sys(SYS_lseek, fd, 0, SEEK_CUR);
			if (position < 0)
				continue;
			if (c->position_count == CAPTURE_FDS_MAX) {
				sys(SYS_close, dir);
				return -ENFILE;
			}
			positions[c->position_count++] = (struct capture_position){
				.fd = (uint32_t)fd, .position = (uint64_t)position,
			};
		}
	}
	sys(SYS_close, dir);
	return (int)n;
}

_Static_assert(CAPTURE_EXTENDED % 8 == 0, "the state is carried in words");

int capture_self(struct capture *c, uint64_t mask)
{
	struct descriptor_thread *t = &c->thread;

	for (int i = 0; i < DESCRIPTOR_TIMERS; i++)
		sys(SYS_getitimer, i, &c->timers[i]);
	arch_tls_read(&t->registers);
	t->tid = (uint32_t)sys(SYS_gettid);
	sys(SYS_prctl, PR_GET_TID_ADDRESS, &t->tid_address);
	sys(SYS_get_robust_list, 0, &t->robust_list, &t->robust_list_length);
	t->signal_mask = mask;
	sys(SYS_rt_sigpending, &t->signal_pending, 8);
	/* What is pending only because all signals are blocked for a moment is the parent's, who goes on. */
	t->signal_pending &= mask;
	t->rseq_length = rseq_length();
	if (t->rseq_length) {
		t->rseq = rseq_address(arch_tls(&t->registers));
		t->rseq_signature = RSEQ_SIG;
	}
	return note_positions(c);
}
