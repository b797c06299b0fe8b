/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * borrow.h - a thread of a process that stands still makes calls for us.
 *
 * If the tracer is killed meanwhile, the kernel lets the thread go on from wherever it is. So all
 * that it can go on to is its way back: each call that it makes is followed by a few instructions
 * that unblock what was unblocked and load the registers that calls change, and a process that it
 * makes ends by itself there. They lie with what they load in the vDSO, behind its last byte, where
 * all processes have room; the thread's stack, which may be as small as it likes, is not touched.
 * What was there is put back, in a copy too.
 *
 * Where there is no room it makes its calls all the same.
 */
#ifndef MITOSIS_BORROW_H
#define MITOSIS_BORROW_H

#include "capture/freeze.h"

/*
 * 0 or -errno; f->why is not set. Its calls may be made until borrow_end(), which is called once
 * whatever borrow() returned; one thread at a time.
 */
int borrow(struct frozen *f, struct frozen_thread *t);
/* It stands still again, as it will go on. */
int borrow_end(struct frozen *f);

/* Of a copy that was made meanwhile by the one that is borrowed. */
int borrow_mend_copy(const struct frozen *f, int pid);

/* Behind the vDSO, whose bytes these are; as far as they were read. */
void borrow_find_room(struct frozen *f, uint64_t at, const uint8_t *vdso, uint64_t bytes);
/* Nobody is borrowed any more. */
int borrow_leave_room(struct frozen *f);
/* A thread that another tracer has borrowed, which was killed, goes its way back just now. */
bool borrow_is_on_its_way(const struct frozen *f, const struct frozen_thread *t);

#endif
