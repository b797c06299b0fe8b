// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * shadow.c - entry of the shadow: the process whose address space is the snapshot.
 *
 * It is a clone of the parent that never runs the parent's code again. It may not use the C library
 * (locks may be held, thread-local storage and the stack belong to the snapshot), hence it is a
 * self-contained blob with its own arena and stack.
 */
#include "snapshot.h"
#include "context.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#define SHADOW_STACK (128u << 10)

static void run(void *arg)
{
	const struct descriptor_action by_default = { 0 };
	const uint64_t term = 1ULL << (SIGTERM - 1);
	struct snapshot *s = arg;

	s->broken = collect_files(s);
	if (!s->broken)
		s->broken = collect(s);
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
		sys(SYS_exit_group, 1);
	s = (void *)arena;
	s->args = *args;
	s->arena = (uint64_t)arena;
	s->arena_length = length;
	/* A terminal's job control is the parent's business. */
	sys(SYS_setsid);
	mitosis_stack_switch((char *)arena + length, run, s);
}
