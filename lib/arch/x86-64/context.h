/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* context.h - what cannot be said in C: where a call stands, and how to leave for somewhere else. */
#ifndef MITOSIS_CONTEXT_H
#define MITOSIS_CONTEXT_H

#include "frame.h"
#include "registers.h"

/*
 * Note the registers of this very call, and the x87 and SSE state as FXSAVE writes it, at an address that
 * is a multiple of 16. Returns 0; where the registers are loaded again, it returns 1.
 */
int arch_save(struct arch_registers *regs, void *extended) __attribute__((returns_twice));

/* Call entry(arg) on another stack, never to return. */
void arch_switch_stack(void *stack_top, void (*entry)(void *), void *arg) __attribute__((noreturn));

/*
 * Unmap a range, then load a frame as written by arch_frame_write(). Position-independent, and up to
 * arch_leave_end: it is copied to where it stays mapped.
 */
void arch_leave(uint64_t start, uint64_t length, uint64_t frame) __attribute__((noreturn));
extern const char arch_leave_end[] __attribute__((visibility("hidden")));

#endif
