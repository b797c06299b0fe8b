// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * shadow.c - entry of the shadow: the process whose address space is the snapshot.
 *
 * It is a clone of the parent that never runs the parent's code again. It may not use the C library
 * (locks may be held, thread-local storage and the stack belong to the snapshot), hence it is a
 * self-contained blob with its own arena and stack.
 */
#include "context.h"
#include "format/wire.h"
#include "shadow/snapshot.h"
#include "state/state.h"

#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>

#define SHADOW_STACK (128u << 10)
#define BROKEN_S 60

static void run(void *arg)
{
	const struct descriptor_action by_default = { 0 };
	const uint64_t term = 1ULL << (SIGTERM - 1);
	struct snapshot *s = arg;

	s->broken = state_read(s);
	if (!s->broken)
		s->broken = serve_by_rdma(s);
	s->ready_ns = now_ns();
	/* Not before: the name is part of the snapshot. */
	sys(SYS_prctl, PR_SET_NAME, "mitosis-shadow");
	/* kill(1) may end a shadow; the parent's own handlers must never run here. */
	sys(SYS_rt_sigaction, SIGTERM, &by_default, 0, 8);
	sys(SYS_rt_sigprocmask, SIG_UNBLOCK, &term, 0, 8);
	serve(s);
}

static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	const struct timespec patience = { .tv_sec = BROKEN_S };

	return sys(SYS_ppoll, &p, 1, &patience, 0, 8) == 1;
}

/* There is no memory for anything but this: for a while who asks is told so. */
static __attribute__((noreturn)) void serve_nothing(const struct shadow_args *args)
{
	static const char why[] = "the parent's host has no memory to describe it (limits, overcommit)";
	struct { struct wire_frame frame; char text[sizeof(why)]; } m = {
		.frame = { .type = WIRE_ERROR, .length = sizeof(why) - 1 },
	};
	struct { struct wire_frame frame; struct wire_hello hello; } asked;

	memcpy(m.text, why, sizeof(why));
	while (readable(args->listen_fd)) {
		int fd = (int)sys(SYS_accept4, args->listen_fd, 0, 0, SOCK_CLOEXEC);

		/* What is left unread would make the end a reset, which overtakes the answer. */
		if (fd >= 0 && readable(fd) && sys(SYS_recvfrom, fd, &asked, sizeof(asked), 0, 0, 0) > 0)
			sys(SYS_sendto, fd, &m, sizeof(m.frame) + sizeof(why) - 1, MSG_NOSIGNAL, 0, 0);
		if (fd >= 0)
			sys(SYS_close, fd);
	}
	sys(SYS_exit_group, 1);
	__builtin_unreachable();
}

__attribute__((section(".text.entry"))) void shadow_entry(const struct shadow_args *args);

void shadow_entry(const struct shadow_args *args)
{
	uint64_t all = ~0ULL;
	uint64_t length = (sizeof(struct snapshot) + SHADOW_STACK + PAGE_BYTES) & ~(PAGE_BYTES - 1);
	struct snapshot *s;
	long arena;

	sys(SYS_rt_sigprocmask, SIG_SETMASK, &all, 0, 8);
	arena = sys(SYS_mmap, 0, length, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (SYS_FAILED(arena))
		serve_nothing(args);
	s = (void *)arena;
	s->args = *args;
	s->arena = (uint64_t)arena;
	s->arena_length = length;
	/* A terminal's job control is the parent's business. */
	sys(SYS_setsid);
	arch_switch_stack((char *)arena + length, run, s);
}
