// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * restorer.c - turns the process it runs in into the parent as it was at prepare.
 *
 * It runs from an arena in a hole of both address spaces; arena.c has computed every address and
 * start.c opened every descriptor. The order is given by what overwrites what: first the old memory goes,
 * then the vDSO comes where the parent had it (only possible while no vDSO is mapped), then the
 * areas, then the contents, then what the kernel keeps of a process, then what it keeps of a thread.
 * Signals stay blocked until the thread leaves by its frame, which unblocks them at the same time. Any
 * failure is told to the supervisor, which reports it; the process never goes on.
 */
#include "context.h"
#include "format/control.h"
#include "pie/freestanding.h"
#include "restore/restorer.h"
#include "state/state.h"

void restore_fail(const struct restorer_args *a, enum restore_step step, long error, uint64_t address)
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

static void restore_memory(const struct restorer_args *a)
{
	areas_restore(a);
	pages_guard(a);
	pages_fill_hot(a);
	if (a->uffd >= 0)
		pages_register(a);
	else
		pages_fetch_all(a);
	pages_populate(a);
	if (a->socket_fd >= 0)
		sys(SYS_close, a->socket_fd);
}

/* What the program's libmitosis will look for. */
static void tell_library(const struct restorer_args *a)
{
	uint64_t at = a->descriptor->child_state;

	if (at)
		*(struct child_state *)at = (struct child_state){
			.is_child = 1, .control_fd = a->control_fd, .uffd = a->uffd, .supervisor = a->supervisor,
			.is_remote = a->is_remote, .remote_fd = a->remote_fd,
			.tail = a->tail, .tail_bytes = (uint32_t)a->tail_bytes,
		};
}

/* The arena goes, but for its tail, from which the last instructions run. */
static __attribute__((noreturn)) void leave(const struct restorer_args *a, const struct descriptor_thread *t)
{
	uint64_t length = (uint64_t)(arch_leave_end - (const char *)arch_leave);
	void (*go)(uint64_t start, uint64_t length, uint64_t frame) = (void (*)(uint64_t, uint64_t, uint64_t))a->tail;
	uint64_t frame = thread_frame(a, t, (char *)a->tail + ((length + FRAME_ALIGN - 1) & ~(uint64_t)(FRAME_ALIGN - 1)));

	memcpy((void *)a->tail, (const void *)arch_leave, length);
	go(a->arena, a->tail - a->arena, frame);
	__builtin_unreachable();
}

__attribute__((section(".text.entry"))) void restorer_entry(const struct restorer_args *a);

void restorer_entry(const struct restorer_args *a)
{
	const struct descriptor_thread *t = descriptor_at(a->descriptor, a->descriptor->threads);
	struct control_message ready = { .type = CONTROL_READY };

	unmap_all(a);
	host_restore(a);
	restore_memory(a);
	layout_restore(a);
	signals_restore(a);
	process_restore(a);
	thread_restore(a, t);
	/* From here on pages may be fetched by touching them: tell the supervisor first. */
	if (sys(SYS_write, a->control_fd, &ready, sizeof(ready)) < 0)
		sys(SYS_exit_group, 125);
	thread_introduce(a, t);
	tell_library(a);
	limits_restore(a);
	signals_raise(a, t);
	timers_restore(a);
	leave(a, t);
}
