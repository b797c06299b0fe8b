// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * restorer.c - turns the process it runs in into the parent as it was at prepare.
 *
 * It runs from an arena in a hole of both address spaces; arena.c has computed every address and
 * start.c opened every descriptor. The order is given by what overwrites what: first the old memory
 * goes, then the vDSO comes where the parent had it (only possible while no vDSO is mapped), then
 * the areas, then the contents, then what the kernel keeps of a process, then what it keeps of a
 * thread. Signals stay blocked until the thread leaves by its frame, which unblocks them at the
 * same time. Any failure is told to the supervisor, which reports it; the process never goes on.
 */
#include "context.h"
#include "format/control.h"
#include "pie/freestanding.h"
#include "restore/restorer.h"
#include "state/state.h"

#include <linux/futex.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>

void restore_fail(const struct restorer_args *a, enum restore_step step, long error,
		  uint64_t address)
{
	struct control_message m = {
		.type = CONTROL_FAILED, .error = (int32_t)error, .step = step, .address = address,
	};

	sys(SYS_write, a->control_fd, &m, sizeof(m));
	sys(SYS_exit_group, 125);
	__builtin_unreachable();
}

static void unmap_all(const struct restorer_args *a)
{
	uint64_t end = a->arena + a->arena_length;
	long ret = sys(SYS_munmap, 0, a->arena);

	if (!ret)
		ret = sys(SYS_munmap, end, USER_END - end);
	if (ret < 0)
		restore_fail(a, RESTORE_UNMAP, ret, 0);
}

static void set_huge_pages_off(const struct restorer_args *a, long off)
{
	/* Bit 0, and since Linux 6.18 flags above it. */
	long ret = sys(SYS_prctl, PR_SET_THP_DISABLE, off & 1, off & ~1L, 0, 0);

	if (ret < 0)
		restore_fail(a, RESTORE_MMAP, ret, 0);
}

/*
 * A huge page that came with the first bytes written to an area would have zeros where pages are
 * missing, which nobody would fetch then. Once an area is registered the kernel makes none there.
 */
static void register_memory(const struct restorer_args *a)
{
	long off = sys(SYS_prctl, PR_GET_THP_DISABLE, 0, 0, 0, 0);

	set_huge_pages_off(a, 1);
	pages_fill_hot(a);
	pages_register(a);
	set_huge_pages_off(a, off < 0 ? 0 : off);
}

static void restore_memory(const struct restorer_args *a)
{
	areas_restore(a);
	pages_guard(a);
	if (a->uffd >= 0) {
		register_memory(a);
	} else {
		pages_fill_hot(a);
		pages_fetch_all(a);
	}
	pages_advise(a);
	pages_populate(a);
	pages_unfork(a);
	if (a->socket_fd >= 0)
		sys(SYS_close, a->socket_fd);
}

/* What the program's libmitosis will look for. */
static void tell_library(const struct restorer_args *a)
{
	uint64_t at = a->descriptor->child_state;

	if (at)
		*(struct child_state *)at = (struct child_state){
			.is_child = 1,
			.is_new = IS_CHILD,
			.control_fd = a->control_fd,
			.uffd = a->uffd,
			.supervisor = a->supervisor,
			.is_remote = a->is_remote,
			.remote_fd = a->remote_fd,
			/*
			 * With several threads nobody knows when the last one has left it: it
			 * stays.
			 */
			.tail = a->tail,
			.tail_bytes = a->descriptor->threads.count > 1 ? 0
								       : (uint32_t)a->tail_bytes,
		};
}

/* What lies in the tail, and where. */
static struct arch_gate *gate_of(const struct restorer_args *a)
{
	uint64_t code = (uint64_t)(arch_leave_end - (const char *)arch_leave);

	return (void *)(a->tail + ((code + FRAME_ALIGN - 1) & ~(uint64_t)(FRAME_ALIGN - 1)));
}

static void *frame_place(const struct restorer_args *a, const struct descriptor_thread *t)
{
	const struct descriptor_thread *threads = descriptor_at(a->descriptor,
								a->descriptor->threads);
	uint64_t at = (uint64_t)gate_of(a) + FRAME_ALIGN;

	for (const struct descriptor_thread *before = threads; before < t; before++)
		at += arch_frame_bytes(before->extended_bytes);
	return (void *)at;
}

/* ---- the other threads ---- */

#define THREAD_STACK	RESTORER_THREAD_STACK
#define THREAD_FLAGS \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM)

struct newborn {			/* at the low end of its stack */
	const struct restorer_args *a;
	const struct descriptor_thread *t;
	long tid;
};

static struct newborn *newborn(const struct restorer_args *a, uint32_t thread)
{
	return (void *)(a->thread_stacks + (thread - 1) * THREAD_STACK);
}

static int32_t tid_of(const struct restorer_args *a, uint32_t thread)
{
	return (int32_t)(thread ? newborn(a, thread)->tid : sys(SYS_gettid));
}

static void live(void *arg)
{
	const struct newborn *n = arg;
	const struct restorer_args *a = n->a;
	void (*join)(uint64_t, struct arch_gate *) = (void (*)(uint64_t, struct arch_gate *))(
		a->tail + (uint64_t)((const char *)arch_join - (const char *)arch_leave));

	thread_restore(a, n->t);
	if (a->numbered)
		credentials_restore(a, n->t);
	thread_introduce(a, n->t);
	inside_raise(a, n->t);
	signals_raise(a, n->t);
	join(thread_frame(a, n->t, frame_place(a, n->t)), gate_of(a));
}

/* With the number that it has in the parent, which takes capabilities in the namespace. */
static long make_numbered(struct newborn *n)
{
	int32_t number = (int32_t)n->t->tid;
	struct clone_args how = {
		.flags = THREAD_FLAGS, .stack = (uint64_t)n, .stack_size = THREAD_STACK,
		.set_tid = (uint64_t)&number, .set_tid_size = 1,
	};

	return arch_thread_as(&how, sizeof(how), live, n);
}

/* No code of the program runs before all are complete. */
static void make_threads(const struct restorer_args *a)
{
	const struct descriptor_thread *t = descriptor_at(a->descriptor, a->descriptor->threads);
	struct arch_gate *gate = gate_of(a);
	uint32_t others = a->descriptor->threads.count - 1;

	for (uint32_t i = 1; i <= others; i++) {
		struct newborn *n = newborn(a, i);

		*n = (struct newborn){ .a = a, .t = &t[i] };
		if (a->numbered)
			n->tid = make_numbered(n);
		else
			n->tid = arch_thread(THREAD_FLAGS, (char *)n + THREAD_STACK, live, n);
		if (n->tid < 0)
			restore_fail(a, RESTORE_THREAD, n->tid, i);
	}
	for (;;) {
		uint32_t arrived = __atomic_load_n(&gate->arrived, __ATOMIC_ACQUIRE);

		if (arrived == others)
			return;
		sys(SYS_futex, &gate->arrived, FUTEX_WAIT_PRIVATE, arrived, 0);
	}
}

/* ---- */

/* The arena goes, but for its tail, from which the last instructions run. */
static __attribute__((noreturn)) void leave(const struct restorer_args *a,
					    const struct descriptor_thread *t)
{
	void (*go)(uint64_t, uint64_t, uint64_t, struct arch_gate *) =
		(void (*)(uint64_t, uint64_t, uint64_t, struct arch_gate *))a->tail;
	uint64_t frame = t->flags & THREAD_GONE ? 0 : thread_frame(a, t, frame_place(a, t));

	go(a->arena, a->tail - a->arena, frame,
	   a->descriptor->threads.count > 1 ? gate_of(a) : NULL);
	__builtin_unreachable();
}

__attribute__((section(".text.entry"))) void restorer_entry(const struct restorer_args *a);

void restorer_entry(const struct restorer_args *a)
{
	const struct descriptor_thread *t = descriptor_at(a->descriptor, a->descriptor->threads);
	struct control_message ready = { .type = CONTROL_READY, .address = a->core_withheld };

	unmap_all(a);
	host_restore(a);
	restore_memory(a);
	layout_restore(a);
	signals_restore(a);
	process_restore(a);
	if (!(t->flags & THREAD_GONE))
		thread_restore(a, t);
	/* From here on pages may be fetched by touching them: tell the supervisor first. */
	if (sys(SYS_write, a->control_fd, &ready, sizeof(ready)) < 0)
		sys(SYS_exit_group, 125);
	memcpy((void *)a->tail, (const void *)arch_leave,
	       (uint64_t)(arch_leave_end - (const char *)arch_leave));
	/* The kernel keeps most of these for each thread: the others inherit them. */
	limits_restore(a);
	settings_restore(a);
	/*
	 * Each thread becomes by itself what it is, where none of them may give up before what the
	 * others are made by.
	 */
	if (!a->numbered)
		credentials_restore(a, t);
	inside_tell(a);
	make_threads(a);
	if (a->numbered)
		credentials_restore(a, t);
	if (!(t->flags & THREAD_GONE))
		thread_introduce(a, t);
	tell_library(a);
	if (!(t->flags & THREAD_GONE)) {
		inside_raise(a, t);
		signals_raise(a, t);
	}
	signals_raise_shared(a);
	timers_restore(a);
	posix_timers_restore(a, tid_of);
	if (a->descriptor->process_flags & PROCESS_STOPPED)
		sys(SYS_kill, sys(SYS_getpid), SIGSTOP);
	leave(a, t);
}
