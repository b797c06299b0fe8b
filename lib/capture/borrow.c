// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* borrow.c - see borrow.h. */
#include "capture/borrow.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>

#include "trace.h"
#include "vdso.h"

static const uint8_t nothing[TRACE_STUB_BYTES];

/*
 * From the last page's end downwards there are places for a few ways back. One that a tracer which
 * was killed has left is not used again while there is another: the thread may have a handler of a
 * signal to return from before it has gone it to its end.
 */
void borrow_find_room(struct frozen *f, uint64_t at, const uint8_t *vdso, uint64_t bytes)
{
	const Elf64_Ehdr *elf = (const void *)vdso;
	uint64_t end, pages, left = 0;

	f->stub = 0;
	f->room_start = f->room_end = 0;
	if (bytes < sizeof(*elf))
		return;
	end = vdso_bytes(elf);
	pages = vdso_length(elf);
	if (end < sizeof(*elf) || pages < end || pages > bytes)
		return;
	f->room_start = at + end;
	f->room_end = at + pages;
	for (uint64_t place = pages; place - end >= TRACE_STUB_BYTES && !f->stub;) {
		place -= TRACE_STUB_BYTES;
		if (!memcmp(vdso + place, nothing, sizeof(nothing)))
			f->stub = at + place;
		else if (!left && !memcmp(vdso + place, trace_stub, sizeof(trace_stub)))
			left = at + place;
	}
	if (!f->stub)
		f->stub = left;
}

bool borrow_is_on_its_way(const struct frozen *f, const struct frozen_thread *t)
{
	uint64_t next = arch_next(&t->registers);

	return next >= f->room_start && next < f->room_end;
}

int borrow_leave_room(struct frozen *f)
{
	int err = f->has_stub ? tracee_write(&f->space, f->stub, nothing, sizeof(nothing)) : 0;

	f->has_stub &= err != 0;
	return err;
}

/* False: there is none. */
static bool lay_way_back(struct frozen *f, const struct frozen_thread *t)
{
	uint8_t stub[TRACE_STUB_BYTES];
	struct arch_registers back = t->registers;

	if (!f->stub || !trace_resume_child(&back,
					    (t->pending | f->pending) & ~t->mask & f->caught,
					    freeze_sleep(f, t->tracee.tid)))
		return false;
	trace_stub_write(stub, &back, t->mask);
	/* Some of it may be there, though not all was. */
	f->has_stub = true;
	return !tracee_write(&f->space, f->stub, stub, sizeof(stub));
}

int borrow(struct frozen *f, struct frozen_thread *t)
{
	struct arch_registers r = t->goes_on;
	/* See TRACEE_DISPATCHED. */
	const uint64_t all = ~0ULL & ~(~t->mask & 1ULL << (SIGSYS - 1));
	int err = 0;

	f->borrowed = t;
	if (lay_way_back(f, t)) {
		trace_return(&r, f->stub);
		err = tracee_set_registers(&t->tracee, &r);
		f->space.call = f->stub;
		f->space.make = f->stub + TRACE_STUB_MAKE;
	} else {
		f->space.call = f->space.make = f->call;
	}
	/* No handler runs while it makes calls for us. */
	if (!err && ptrace(PTRACE_SETSIGMASK, t->tracee.tid, sizeof(all), &all))
		err = -errno;
	return err;
}

int borrow_end(struct frozen *f)
{
	struct frozen_thread *t = f->borrowed;
	int err = tracee_settle(&t->tracee);

	f->borrowed = NULL;
	f->space.call = f->space.make = f->call;
	/* In this order it is complete in between, too. */
	if (!err && ptrace(PTRACE_SETSIGMASK, t->tracee.tid, sizeof(t->mask), &t->mask))
		err = -errno;
	if (!err)
		err = tracee_set_registers(&t->tracee, &t->goes_on);
	return err;
}

int borrow_mend_copy(const struct frozen *f, int pid)
{
	struct tracee_space space = { 0 };
	int err;

	if (!f->has_stub)
		return 0;
	err = tracee_open_memory(&space, pid);
	if (!err)
		err = tracee_write(&space, f->stub, nothing, sizeof(nothing));
	tracee_close_memory(&space);
	return err;
}
