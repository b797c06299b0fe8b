/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * frame.h - the frame from which rt_sigreturn(2) loads all of a thread at once: general registers,
 * extended state, signal mask and alternate stack. The kernel's struct rt_sigframe
 * (arch/x86/include/asm/sigframe.h), up to what it reads on return.
 */
#ifndef MITOSIS_FRAME_H
#define MITOSIS_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "registers.h"

#define FRAME_LEGACY		512u		/* x87 and SSE, as FXSAVE writes them */
#define FRAME_EXTENDED_MAX	16384u		/* longest XSAVE area that is carried */
#define FRAME_ALIGN		64u
#define FRAME_HEADER		64u		/* of an XSAVE area, behind the legacy part */

#define FRAME_MAGIC1		0x46505853u	/* software-reserved: there is an XSAVE area */
#define FRAME_MAGIC2		0x46505845u	/* behind it */
#define FRAME_SOFTWARE		464u		/* offset of those bytes */
#define FRAME_UC_XSTATE		1u
#define FRAME_UC_SS		6u		/* the frame's stack segment must be used */

struct frame_altstack {
	uint64_t base;
	int32_t flags;
	uint32_t reserved;
	uint64_t length;
};

struct frame {
	uint64_t restorer;
	uint64_t flags, link;
	struct frame_altstack altstack;
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags;
	uint16_t cs, gs, fs, ss;
	uint64_t error, trap, old_mask, cr2;
	uint64_t extended;		/* address of the FXSAVE or XSAVE area */
	uint64_t reserved[8];
	uint64_t mask;
};

/*
 * Behind it the extended state, aligned, and the second magic number; and room, since a kernel that
 * meets a page fault there makes as much readable as the largest state would take (Linux 6.8).
 */
static inline uint64_t arch_frame_bytes(uint32_t extended_bytes)
{
	return ((sizeof(struct frame) + FRAME_ALIGN - 1) & ~(uint64_t)(FRAME_ALIGN - 1)) +
	       ((extended_bytes + 8 + FRAME_ALIGN - 1) & ~(FRAME_ALIGN - 1)) + FRAME_EXTENDED_MAX;
}

/*
 * Write a frame at an aligned address. extended_bytes is FRAME_LEGACY, or more for an XSAVE area in
 * the standard format, whose first 64 bits behind the legacy part say what it holds. Returns what
 * goes to arch_leave().
 */
static inline uint64_t arch_frame_write(void *at, const struct arch_registers *r,
					const void *extended, uint32_t extended_bytes,
					uint64_t mask, const struct frame_altstack *altstack)
{
	struct frame *f = at;
	char *state = (char *)at + ((sizeof(*f) + FRAME_ALIGN - 1) & ~(size_t)(FRAME_ALIGN - 1));
	const char *from = extended;

	*f = (struct frame){
		.flags = FRAME_UC_SS, .altstack = *altstack,
		.r8 = r->r8, .r9 = r->r9, .r10 = r->r10, .r11 = r->r11,
		.r12 = r->r12, .r13 = r->r13, .r14 = r->r14, .r15 = r->r15,
		.rdi = r->rdi, .rsi = r->rsi, .rbp = r->rbp, .rbx = r->rbx,
		.rdx = r->rdx, .rax = r->rax, .rcx = r->rcx, .rsp = r->rsp,
		.rip = r->rip, .eflags = r->eflags,
		.cs = (uint16_t)r->cs, .ss = (uint16_t)r->ss,
		.extended = (uint64_t)state, .mask = mask,
	};
	for (uint32_t i = 0; i < extended_bytes; i++)
		state[i] = from[i];
	for (uint32_t i = FRAME_SOFTWARE; i < FRAME_LEGACY; i++)
		state[i] = 0;
	if (extended_bytes > FRAME_LEGACY) {
		uint32_t *software = (uint32_t *)(state + FRAME_SOFTWARE);

		f->flags |= FRAME_UC_XSTATE;
		software[0] = FRAME_MAGIC1;
		software[1] = extended_bytes + 4;
		/* x87 and SSE are always said to be there, or MXCSR would not be loaded. */
		*(uint64_t *)(state + FRAME_LEGACY) |= 3;
		*(uint64_t *)(software + 2) = *(const uint64_t *)(state + FRAME_LEGACY);
		software[4] = extended_bytes;
		*(uint32_t *)(state + extended_bytes) = FRAME_MAGIC2;
	}
	/*
	 * rt_sigreturn(2) reads the frame 8 bytes below the stack pointer, where a handler's return
	 * leaves it.
	 */
	return (uint64_t)at + sizeof(f->restorer);
}

#endif
