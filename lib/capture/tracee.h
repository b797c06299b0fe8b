/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * tracee.h - one thread of another process that stands still because we trace it: its registers,
 * its memory, and calls that it makes for us. See ptrace(2).
 *
 * All functions return 0 or -errno. A thread that is gone, or was killed, gives -ESRCH.
 */
#ifndef MITOSIS_TRACEE_H
#define MITOSIS_TRACEE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "registers.h"

struct tracee {
	int tid;			/* as we see it */
	/* a SIGSTOP, or SIGSYS, came meanwhile, which it gets when it is let go */
	bool held, held_sys;
	bool group_stopped;		/* it was stopped before by a signal, as a shell's job is */
	/* of its process: how that ends is for whoever started it to hear */
	bool is_first;
	int options;			/* PTRACE_O_* */
};

/* A process, for calls in any of its threads. */
struct tracee_space {
	int memory;			/* /proc/PID/mem */
	uint64_t call;			/* where it has an instruction that calls the kernel */
	uint64_t make;			/* the same for calls that make a process */
};

int tracee_registers(const struct tracee *t, struct arch_registers *r);
int tracee_set_registers(const struct tracee *t, const struct arch_registers *r);

/* Wait for the stop that was asked for with PTRACE_INTERRUPT; the same as -ECHILD: it has ended. */
int tracee_await_stop(struct tracee *t);

/*
 * A call became a signal of the thread's own (syscall user dispatch), which it has not got. It is
 * told of such only if SIGSYS is not blocked: otherwise its handler would be lost.
 */
#define TRACEE_DISPATCHED	(-EOPNOTSUPP)

/* It does not run, though nothing of ours holds it: the freezer of its control group does. */
#define TRACEE_HELD		(-EBUSY)

/*
 * Let it make one system call; *result is what the kernel returned. Its registers are spoilt, and
 * it is left where nothing restarts a call that was interrupted: tracee_settle() before the
 * registers are put back.
 */
int tracee_call6(struct tracee *t, const struct tracee_space *space, long *result, long nr,
		 const uint64_t args[6]);
#define TRACEE_ARGS_(a, b, c, d, e, f, ...)                                               \
	((const uint64_t[6]){ (uint64_t)(a), (uint64_t)(b), (uint64_t)(c), (uint64_t)(d), \
			      (uint64_t)(e), (uint64_t)(f) })
#define tracee_call(t, space, result, nr, ...) \
	tracee_call6(t, space, result, nr, TRACEE_ARGS_(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0))

/*
 * Let it make a process with clone(2) and these flags and no exit signal: *made is traced and
 * stands still, and *number is what it is called in the pid namespace of its parent. It ends with
 * its tracer.
 */
int tracee_clone(struct tracee *t, const struct tracee_space *space, unsigned long flags,
		 struct tracee *made, long *number);

/* Stop it on its way to user space, where the kernel still looks after interrupted calls. */
int tracee_settle(struct tracee *t);

/* 0 or -errno, and then there is none to be closed. */
int tracee_open_memory(struct tracee_space *space, int pid);
void tracee_close_memory(struct tracee_space *space);
/* Memory of the process, whatever its protection. */
int tracee_read(const struct tracee_space *space, uint64_t at, void *to, size_t bytes);
int tracee_write(const struct tracee_space *space, uint64_t at, const void *from, size_t bytes);

/* Is it a zombie, or less? */
bool tracee_has_ended(int tid);
/* The signals on their way to a tracee, or (shared) to its process. */
uint64_t tracee_queued(int tid, bool shared);
/* Kill it and wait for that, but not for long: one that is frozen ends once it is not. */
void tracee_end(const struct tracee *t);
/* The same without the kill. */
void tracee_await_end(int tid);
/* Let it go, with what was held back. */
int tracee_release(struct tracee *t);

#endif
