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
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#define BROKEN_S 60

/*
 * The parent's limit of its address space is in the way of a shadow, which needs little of what it
 * reserves. The hard one may only be raised by the privileged. *limit is what it was.
 */
static bool raise_limit(struct descriptor_limit *limit)
{
	struct descriptor_limit more = { ~0ULL, ~0ULL };

	if (sys(SYS_prlimit64, 0, RLIMIT_AS, 0, limit) < 0)
		return false;
	if (!sys(SYS_prlimit64, 0, RLIMIT_AS, &more, 0))
		return true;
	more = (struct descriptor_limit){ limit->hard, limit->hard };
	return !sys(SYS_prlimit64, 0, RLIMIT_AS, &more, 0);
}

/* To who waits for that; a snapshot that can have no children is of no use to anybody then. */
static void tell(const struct shadow_args *args, const char *broken)
{
	if (args->outcome_fd < 0)
		return;
	sys(SYS_write, args->outcome_fd, broken ? broken : "",
	    broken ? text_length(broken) + 1 : 1);
	if (broken)
		sys(SYS_exit_group, 1);
	sys(SYS_close, args->outcome_fd);
}

/*
 * A shared mapping of the parent's is seen from outside: no seal against writing can be put on a
 * file that is mapped. Of these nothing is served but the copies. A ring of io_uring would not end
 * with the parent's last descriptor of it.
 */
static void unmap_nameless(const struct snapshot *s)
{
	for (uint32_t i = 0; i < s->n.vmas; i++)
		if (s->vmas[i].flags & VMA_NAMELESS ||
		    (s->vmas[i].flags & VMA_FILE && s->vmas[i].flags & VMA_SHARED &&
		     text_is(s->strings + s->mapped[s->vmas[i].mapped].path,
			     "anon_inode:[io_uring]")))
			sys(SYS_munmap, s->vmas[i].start, s->vmas[i].end - s->vmas[i].start);
}

static void run(void *arg)
{
	const struct descriptor_action by_default = { 0 };
	const uint64_t term = 1ULL << (SIGTERM - 1);
	struct snapshot *s = arg;

	nameless_copy(s);
	s->broken = state_read(s);
	unmap_nameless(s);
	if (!s->broken)
		s->broken = serve_by_rdma(s);
	s->ready_ns = now_ns();
	tell(&s->args, s->broken);
	/* Not before: the name is part of the snapshot. */
	sys(SYS_prctl, PR_SET_NAME, "mitosis-shadow");
	/* kill(1) may end a shadow; the parent's own handlers must never run here. */
	sys(SYS_rt_sigaction, SIGTERM, &by_default, 0, 8);
	sys(SYS_rt_sigprocmask, SIG_UNBLOCK, &term, 0, 8);
	serve(s);
}

/* False also when the parent has ended. */
static bool readable(int fd, int parent)
{
	struct pollfd p[] = { { .fd = fd, .events = POLLIN }, { .fd = parent, .events = POLLIN } };
	const struct timespec patience = { .tv_sec = BROKEN_S };

	return sys(SYS_ppoll, p, 2, &patience, 0, 8) > 0 && !p[1].revents;
}

/*
 * There is no memory for anything but this: for a while who asks is told so. Nothing else stays
 * open of what was the parent's, whose peers may wait for its end.
 */
static __attribute__((noreturn)) void serve_nothing(const struct shadow_args *args)
{
	static const char why[] =
		"the parent's host has no memory to describe it (limits, overcommit)";
	struct { struct wire_frame frame; char text[sizeof(why)]; } m = {
		.frame = { .type = WIRE_ERROR, .length = sizeof(why) - 1 },
	};
	struct { struct wire_frame frame; struct wire_hello hello; } asked;
	int listener = args->listen_fd, parent;

	tell(args, why);
	if (listener)
		sys(SYS_close_range, 0, listener - 1, 0);
	sys(SYS_close_range, listener + 1, ~0U, 0);
	parent = (int)sys(SYS_pidfd_open, args->parent_pid, 0);
	memcpy(m.text, why, sizeof(why));
	while (sys(SYS_getppid) == args->parent_pid && readable(listener, parent)) {
		int fd = (int)sys(SYS_accept4, listener, 0, 0, SOCK_CLOEXEC);

		/* What is left unread would make the end a reset, which overtakes the answer. */
		if (fd >= 0 && readable(fd, parent) &&
		    sys(SYS_recvfrom, fd, &asked, sizeof(asked), 0, 0, 0) > 0)
			sys(SYS_sendto, fd, &m, sizeof(m.frame) + sizeof(why) - 1, MSG_NOSIGNAL, 0,
			    0);
		if (fd >= 0)
			sys(SYS_close, fd);
	}
	sys(SYS_exit_group, 1);
	__builtin_unreachable();
}

/* One mapping, to be told from the snapshot's: a private one would merge with its neighbours. */
static long map_arena(uint64_t length)
{
	long arena = sys(SYS_mmap, 0, length, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct descriptor_limit limit;

	if (!SYS_FAILED(arena) || !raise_limit(&limit))
		return arena;
	arena = sys(SYS_mmap, 0, length, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	/* It is part of the snapshot, and has not been read yet. */
	if (sys(SYS_prlimit64, 0, RLIMIT_AS, &limit, 0) < 0)
		sys(SYS_exit_group, 1);
	return arena;
}

__attribute__((section(".text.entry"))) void shadow_entry(const struct shadow_args *args);

void shadow_entry(const struct shadow_args *args)
{
	uint64_t all = ~0ULL;
	uint64_t length = SNAPSHOT_ARENA;
	struct snapshot *s;
	long arena;

	sys(SYS_rt_sigprocmask, SIG_SETMASK, &all, 0, 8);
	arena = map_arena(length);
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
