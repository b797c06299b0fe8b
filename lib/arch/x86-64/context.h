/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * context.h - what cannot be said in C: where a call stands, and how to leave for somewhere else.
 */
#ifndef MITOSIS_CONTEXT_H
#define MITOSIS_CONTEXT_H

#include "frame.h"
#include "registers.h"

/*
 * Note the registers of this very call, and the x87 and SSE state as FXSAVE writes it, at an
 * address that is a multiple of 16. Returns 0; where the registers are loaded again, it returns 1.
 */
int arch_save(struct arch_registers *regs, void *extended) __attribute__((returns_twice));

/* Call entry(arg) on another stack, never to return. */
void arch_switch_stack(void *stack_top, void (*entry)(void *), void *arg) __attribute__((noreturn));

/* Where the threads of a process wait until all are complete, and may go. */
struct arch_gate {
	uint32_t arrived;
	uint32_t open;
};

/*
 * Unmap a range, open the gate (0: there is none), then load a frame as written by
 * arch_frame_write(), or end this thread if it is 0. Position-independent, from here up to
 * arch_leave_end: all this is copied to where it stays mapped.
 */
void arch_leave(uint64_t start, uint64_t length, uint64_t frame, struct arch_gate *gate)
	__attribute__((noreturn));
/*
 * In the same code: arrive at the gate, with a wake-up for who waits for that; wait; then load the
 * frame.
 */
void arch_join(uint64_t frame, struct arch_gate *gate) __attribute__((noreturn));
extern const char arch_leave_end[] __attribute__((visibility("hidden")));

/*
 * Make a thread, with the flags of clone(2), that calls entry(arg) on its stack and never returns.
 * Its number or -errno.
 */
long arch_thread(uint64_t flags, void *stack_top, void (*entry)(void *), void *arg);
/*
 * The same as clone3(2) has it: the stack is among the arguments, struct clone_args of that size.
 */
long arch_thread_as(const void *how, uint64_t size, void (*entry)(void *), void *arg);

/* Where a handler of signals returns to: rt_sigreturn(2). */
void arch_end_handler(void);

#endif
