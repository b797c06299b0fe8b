/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * freeze.h - a whole process stands still: all its threads are stopped by ptrace(2), and are let go
 * again as if nothing had happened. Needs no consent of the process; doc/user-engine.md tells what
 * it rests on.
 *
 * If the tracer dies, the kernel lets the process go: nothing here may leave it in a state in which
 * it could not go on (borrow.h).
 */
#ifndef MITOSIS_FREEZE_H
#define MITOSIS_FREEZE_H

#include <stdbool.h>
#include <stdint.h>

#include "capture/tracee.h"
#include "capture/workspace.h"

#define FREEZE_WHY_MAX		256u
#define FREEZE_ENDED_MAX	64u

struct frozen_thread {
	struct tracee tracee;
	/* the first thread, which has ended, and the others have not */
	bool gone;
	bool stands;			/* it has stopped */
	bool noted;			/* what follows is valid, and it will go on so */
	struct arch_registers registers;	/* at the stop */
	struct arch_registers goes_on;	/* what the parent is released with */
	uint64_t mask;			/* blocked signals */
	uint64_t pending;		/* for this thread alone */
};

/*
 * What a thread was seen to sleep in before the stop, as /proc/PID/task/TID/wchan says it; "0": it
 * ran.
 */
struct frozen_sleep {
	int tid;
	char in[28];
};

struct frozen {
	int pid;			/* as we see it */
	int pidfd;			/* the same; -1: none, and its files cannot be noted */
	struct workspace *memory;
	uint32_t room;			/* threads that may be listed */
	struct frozen_thread *threads;	/* the one whose number is pid first */
	uint32_t count;
	struct frozen_sleep *sleeps;
	uint32_t sleep_count;
	uint32_t first;			/* a thread that is not gone: calls are made in it */
	uint64_t pending;		/* signals for the process */
	uint64_t caught;		/* signals that have a handler */
	uint64_t locked_kb;		/* of its memory, by mlock(2) */
	bool stopped;			/* by a signal, before we came */
	/* a thread has not gone back to a sleep that was interrupted */
	bool unsettled;
	uint64_t hidden_pages;		/* of its memory: the tracer's own, which no copy has */
	bool adopts;			/* orphans among its descendants become its children */
	/* copies of it that it has to wait for (ended.h), by their numbers in its pid namespace */
	uint32_t ended[FREEZE_ENDED_MAX], ended_count;
	bool confined;			/* it has seccomp filters, which are suspended meanwhile */
	struct tracee_space space;
	uint64_t call;			/* where the vDSO calls the kernel */
	/* borrow.h */
	uint64_t room_start, room_end;	/* behind the vDSO */
	uint64_t stub;			/* a place in it; 0: none is free */
	bool has_stub;			/* something of ours is there */
	struct frozen_thread *borrowed;	/* NULL: nobody is */
	/* what is to be done while threads are waited for, if something is */
	void (*meanwhile)(void *data);
	void *data;
	/* after an error: a sentence's end, "thread 7 does not stop (...)" */
	char why[FREEZE_WHY_MAX];
};

/*
 * Stop it; pid, memory, caught and confined are set. 0, or -errno with .why: -EBUSY: it could not
 * be stopped within a few attempts; -EPERM: it is not ours to trace. Whatever happens, it is let go
 * on by thaw(), which is called once for each freeze() that returned 0.
 */
int freeze(struct frozen *f);
/* After a freeze() that failed, for who lives on: threads that stop late are let go. */
void freeze_leave(struct frozen *f);
/* 0, or -errno of the first thread that could not be let go. */
int thaw(struct frozen *f);
/* Say why, and return the error. */
int freeze_refuse(struct frozen *f, int err, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int freeze_refuse_dispatch(struct frozen *f, int tid);
/* "" if nothing is known. */
const char *freeze_sleep(const struct frozen *f, int tid);

#endif
