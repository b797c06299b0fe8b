/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * registers.h - the general registers of a thread, and what a program asks of the kernel beside
 * them.
 */
#ifndef MITOSIS_REGISTERS_H
#define MITOSIS_REGISTERS_H

#include <stddef.h>
#include <stdint.h>

#include "sys.h"

/* As struct user_regs_struct of the kernel has them (sys/user.h). */
struct arch_registers {
	uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, orig_rax;
	uint64_t rip, cs, eflags, rsp, ss, fs_base, gs_base, ds, es, fs, gs;
};

/* arch_prctl(2), from asm/prctl.h; older headers lack the last four (Linux 6.6 and 5.16). */
#define TLS_SET_GS		0x1001
#define TLS_SET_FS		0x1002
#define TLS_GET_GS		0x1004
#define SHADOW_STACK_STATUS	0x5005
#define SHADOW_STACK_ON		1u
#define XCOMP_GET_PERMISSION	0x1022
#define XCOMP_REQUEST_PERMISSION 0x1023

static inline uint64_t arch_stack(const struct arch_registers *r)
{
	return r->rsp;
}

static inline uint64_t arch_next(const struct arch_registers *r)
{
	return r->rip;
}

/* Where the thread finds what is its own. */
static inline uint64_t arch_tls(const struct arch_registers *r)
{
	return r->fs_base;
}

/* Of this thread. */
static inline void arch_tls_read(struct arch_registers *r)
{
	/* The System V TLS ABI: the first word of the thread control block points to itself. */
	__asm__("mov %%fs:0, %0" : "=r"(r->fs_base));
	sys(SYS_arch_prctl, TLS_GET_GS, &r->gs_base);
}

/* 0 or -errno. */
static inline long arch_tls_write(const struct arch_registers *r)
{
	long ret = sys(SYS_arch_prctl, TLS_SET_FS, r->fs_base);

	return ret ? ret : sys(SYS_arch_prctl, TLS_SET_GS, r->gs_base);
}

/* Why a process of this kind cannot be carried over, or its memory exchanged; NULL: it can. */
static inline const char *arch_unsupported(void)
{
	uint64_t features = 0;

	if (!sys(SYS_arch_prctl, SHADOW_STACK_STATUS, &features) && features & SHADOW_STACK_ON)
		return "a shadow stack (CET)";
	return NULL;
}

/*
 * The register states that this process has asked for, such as the tiles of AMX; 0 before Linux
 * 5.16.
 */
static inline uint64_t arch_permissions(void)
{
	uint64_t permitted = 0;

	sys(SYS_arch_prctl, XCOMP_GET_PERMISSION, &permitted);
	return permitted;
}

/* Ask for them. Asked for by number, a state brings those that it needs. 0 or -errno. */
static inline long arch_request_permissions(uint64_t wanted)
{
	wanted &= ~arch_permissions();
	if (!wanted)
		return 0;
	return sys(SYS_arch_prctl, XCOMP_REQUEST_PERMISSION, 63 - __builtin_clzll(wanted));
}

#endif
