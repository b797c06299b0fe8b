// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* borrow.c - see borrow.h. */
#include "capture/borrow.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#include "layout.h"
#include "trace.h"

#define FRAME_MOST	(2 * FRAME_EXTENDED_MAX)

/* What lay where a thread's frame is. */
struct lent {
	struct frozen_thread *thread;
	uint64_t at;
	size_t bytes;			/* 0: there is no frame */
	uint64_t call, make;		/* of the space before */
	uint8_t kept[FRAME_MOST];
};

static struct lent lent[2];
static const uint8_t nothing[sizeof(trace_stub)];

void borrow_find_room(struct frozen *f, uint64_t at, const uint8_t *vdso, uint64_t bytes)
{
	const Elf64_Ehdr *elf = (const void *)vdso;
	uint64_t end, pages;

	f->stub = 0;
	f->has_stub = false;
	if (bytes < sizeof(*elf))
		return;
	/* Section headers are the last thing in it, which fills whole pages. */
	end = elf->e_shoff + (uint64_t)elf->e_shnum * elf->e_shentsize;
	pages = (end + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
	if (end < sizeof(*elf) || pages < end || pages > bytes || pages - end < sizeof(trace_stub))
		return;
	end = pages - sizeof(trace_stub);
	/* A tracer that was killed has left the instructions there. */
	f->has_stub = !memcmp(vdso + end, trace_stub, sizeof(trace_stub));
	if (f->has_stub || !memcmp(vdso + end, nothing, sizeof(nothing)))
		f->stub = at + end;
}

int borrow_leave_room(struct frozen *f)
{
	int err = f->has_stub ? tracee_write(&f->space, f->stub, nothing, sizeof(nothing)) : 0;

	f->has_stub &= err != 0;
	return err;
}

/* Only what the thread itself may read and write. */
static bool transfer(int pid, bool write, uint64_t at, void *bytes, size_t count)
{
	struct iovec ours = { bytes, count }, theirs = { (void *)at, count };

	return (write ? process_vm_writev(pid, &ours, 1, &theirs, 1, 0)
		      : process_vm_readv(pid, &ours, 1, &theirs, 1, 0)) == (ssize_t)count;
}

/* A frame with all that the thread is, below what it uses of its stack; false: there is none. */
static bool lay_frame(struct frozen *f, struct lent *l, struct arch_registers *r)
{
	static uint8_t extended[FRAME_EXTENDED_MAX] __attribute__((aligned(64)));
	static uint8_t frame[FRAME_MOST] __attribute__((aligned(64)));
	const struct frozen_thread *t = l->thread;
	/* One that the kernel refuses, so that the thread keeps what it has. */
	const struct frame_altstack keeps = { .flags = 0x7fff };
	struct arch_registers back = t->registers;
	uint32_t extended_bytes = 0;
	uint64_t top;

	if (!f->stub || !trace_resume_child(&back,
					    (t->pending | f->pending) & ~t->mask & f->caught,
					    freeze_sleep(f, t->tracee.tid)) ||
	    trace_extended_read(t->tracee.tid, extended, &extended_bytes))
		return false;
	/* The rest is room for larger states: the stack above the frame is that. */
	l->bytes = arch_frame_bytes(extended_bytes) - FRAME_EXTENDED_MAX;
	top = arch_stack(&t->registers) - TRACE_BELOW_STACK - l->bytes;
	l->at = top & ~(uint64_t)(FRAME_ALIGN - 1);
	if (l->bytes > sizeof(l->kept) || l->at > arch_stack(&t->registers))
		return false;
	if (!f->has_stub && tracee_write(&f->space, f->stub, trace_stub, sizeof(trace_stub)))
		return false;
	f->has_stub = true;
	memset(frame, 0, l->bytes);
	trace_return(r, f->stub,
		     arch_frame_write(frame, &back, extended, extended_bytes, t->mask, &keeps) -
			     (uint64_t)frame + l->at);
	arch_frame_move(frame, l->at);
	return transfer(t->tracee.tid, false, l->at, l->kept, l->bytes) &&
	       transfer(t->tracee.tid, true, l->at, frame, l->bytes);
}

int borrow(struct frozen *f, struct frozen_thread *t)
{
	struct lent *l = &lent[f->borrowed];
	struct arch_registers r = t->goes_on;
	const uint64_t all = ~0ULL;
	int err = 0;

	l->thread = t;
	l->call = f->space.call;
	l->make = f->space.make;
	l->bytes = 0;
	if (lay_frame(f, l, &r)) {
		err = tracee_set_registers(&t->tracee, &r);
		f->space.call = f->stub;
		f->space.make = f->stub + TRACE_STUB_MAKE;
	} else {
		l->bytes = 0;
		f->space.call = f->space.make = f->call;
	}
	f->borrowed++;
	/* No handler runs while it makes calls for us. */
	if (!err && ptrace(PTRACE_SETSIGMASK, t->tracee.tid, sizeof(all), &all))
		err = -errno;
	return err;
}

int borrow_end(struct frozen *f)
{
	struct lent *l = &lent[--f->borrowed];
	struct frozen_thread *t = l->thread;
	int err = tracee_settle(&t->tracee);

	/* In this order it is complete in between, too. */
	if (!err && ptrace(PTRACE_SETSIGMASK, t->tracee.tid, sizeof(t->mask), &t->mask))
		err = -errno;
	if (!err)
		err = tracee_set_registers(&t->tracee, &t->goes_on);
	if (!err && l->bytes && !transfer(t->tracee.tid, true, l->at, l->kept, l->bytes))
		err = -EFAULT;
	f->space.call = l->call;
	f->space.make = l->make;
	return err;
}

int borrow_mend_copy(const struct frozen *f, int pid)
{
	struct lent *l = &lent[f->borrowed - 1];
	struct tracee_space space = { 0 };
	int err = 0;

	if (l->bytes && !transfer(pid, true, l->at, l->kept, l->bytes))
		return -EFAULT;
	if (f->has_stub) {
		err = tracee_open_memory(&space, pid);
		if (!err)
			err = tracee_write(&space, f->stub, nothing, sizeof(nothing));
		tracee_close_memory(&space);
	}
	return err;
}
