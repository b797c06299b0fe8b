/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * context.h - the registers that a cooperative call has to keep, and the way back into it.
 *
 * The System V ABI leaves vector state and the other registers to the caller, so this is all.
 * Offsets are known to context.S.
 */
#ifndef MITOSIS_CONTEXT_H
#define MITOSIS_CONTEXT_H

#include <stdint.h>

struct mitosis_registers {
	uint64_t rbx, rbp, r12, r13, r14, r15;
	uint64_t rsp, rip;
	uint32_t mxcsr;
	uint16_t fcw;
	uint16_t reserved;
};

/* Fills in regs and returns 0; returns 1 again, in the resumed child, through the entry below. */
int mitosis_context_save(struct mitosis_registers *regs) __attribute__((returns_twice));

/*
 * The last step of a resume, in the parent's own text: loads regs, unmaps the restorer's arena
 * (which holds regs and the stack) and makes mitosis_context_save() return 1.
 */
void mitosis_context_resume(unsigned long arena, unsigned long length, const struct mitosis_registers *regs);

/* Call entry(arg) on another stack, never to return. */
void mitosis_stack_switch(void *stack_top, void (*entry)(void *), void *arg) __attribute__((noreturn));

static inline uint64_t mitosis_fs_base(void)
{
	uint64_t fs;

	/* The System V TLS ABI: the first word of the thread control block points to itself. */
	__asm__("mov %%fs:0, %0" : "=r"(fs));
	return fs;
}

#endif
