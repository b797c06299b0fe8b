/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * contract.h - what a processor has to give to the rest of the library, all in one place: what
 * stands here is only declared, and nobody has written it for this processor yet (configure says
 * so). All else compiles against it, which packaging/arch-check proves.
 *
 * A new processor has a directory beside this one with the headers that this directory has.
 * lib/arch/x86-64 is the example; the comments there tell what each thing is for.
 */
#ifndef MITOSIS_CONTRACT_H
#define MITOSIS_CONTRACT_H

#include <elf.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

/* layout.h */
#define ARCH_TAG	2u			/* DESCRIPTOR_AARCH64 */
#define ARCH_NAME	"aarch64"
#define PAGE_BYTES	4096UL
#define PAGE_SHIFT_BITS	12
#define USER_END	0x1000000000000UL	/* 48 bits */

/* sys.h: raw system calls, for code that may not touch errno, the PLT or thread-local storage */
long sys_call6(long nr, long a, long b, long c, long d, long e, long f);
#define SYS_PAD_(nr, a, b, c, d, e, f, ...) \
	sys_call6((nr), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#define sys(...) SYS_PAD_(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)
#define SYS_FAILED(ret) ((unsigned long)(ret) >= -4095UL)

/* bytes.h */
void arch_copy(void *to, const void *from, size_t n);
void arch_fill(void *to, int byte, size_t n);

/* registers.h: as the kernel's struct user_pt_regs, and the thread pointer */
struct arch_registers {
	uint64_t x[31], sp, pc, pstate, tpidr;
};
uint64_t arch_stack(const struct arch_registers *r);
uint64_t arch_next(const struct arch_registers *r);
uint64_t arch_tls(const struct arch_registers *r);
void arch_tls_read(struct arch_registers *r);
long arch_tls_write(const struct arch_registers *r);
const char *arch_unsupported(void);
uint64_t arch_permissions(void);
long arch_request_permissions(uint64_t wanted);

/* frame.h: what rt_sigreturn(2) loads a thread from */
#define FRAME_LEGACY		528u		/* struct fpsimd_context */
#define FRAME_EXTENDED_MAX	16384u
#define FRAME_ALIGN		16u
#define FRAME_HEADER		0u
struct frame_altstack {
	uint64_t base;
	int32_t flags;
	uint32_t reserved;
	uint64_t length;
};
uint64_t arch_frame_bytes(uint32_t extended_bytes);
uint64_t arch_frame_write(void *at, const struct arch_registers *r, const void *extended,
			  uint32_t extended_bytes, uint64_t mask,
			  const struct frame_altstack *altstack);

/* context.h */
int arch_save(struct arch_registers *regs, void *extended) __attribute__((returns_twice));
void arch_switch_stack(void *stack_top, void (*entry)(void *), void *arg) __attribute__((noreturn));
struct arch_gate {
	uint32_t arrived, open;
};
void arch_leave(uint64_t start, uint64_t length, uint64_t frame, struct arch_gate *gate)
	__attribute__((noreturn));
void arch_join(uint64_t frame, struct arch_gate *gate) __attribute__((noreturn));
long arch_thread(uint64_t flags, void *stack_top, void (*entry)(void *), void *arg);
long arch_thread_as(const void *how, uint64_t size, void (*entry)(void *), void *arg);
void arch_end_handler(void);
extern const char arch_leave_end[] __attribute__((visibility("hidden")));

/* trace.h: what a tracer must know of registers */
#define TRACE_CALL_BYTES	4u
long trace_find_call(const uint8_t *code, size_t bytes);
void trace_call(struct arch_registers *r, uint64_t at, long nr, const uint64_t args[6]);
static const uint8_t trace_stub[64];		/* to be written */
#define TRACE_STUB_MAKE		0u
#define TRACE_STUB_BYTES	64u
void trace_stub_write(uint8_t stub[TRACE_STUB_BYTES], const struct arch_registers *r,
		      uint64_t mask);
void trace_return(struct arch_registers *r, uint64_t stub);
long trace_result(const struct arch_registers *r);
void trace_leave_call(struct arch_registers *r);
void trace_enter(struct arch_registers *r, uint64_t function, uint64_t argument,
		 uint64_t stack_top);
void trace_go_to(struct arch_registers *r, uint64_t address);
void trace_resume_parent(struct arch_registers *r, int deliverable);
int trace_resume_child(struct arch_registers *r, int deliverable, const char *sleeps_in);
int trace_is_continuing(const struct arch_registers *r, const uint8_t next[TRACE_CALL_BYTES]);
int trace_extended_read(int tid, void *area, uint32_t *bytes);

/* cpu.h: what programs choose code by */
struct mitosis_cpu {
	uint64_t hwcap, hwcap2;
};
void cpu_identify(struct mitosis_cpu *cpu);
const char *cpu_missing(const struct mitosis_cpu *parent, const struct mitosis_cpu *here);
unsigned int cpu_keep_relevant(struct mitosis_cpu *cpu);
int cpu_same_layout(const struct mitosis_cpu *parent);
uint64_t cpu_states(const struct mitosis_cpu *cpu);

/* vdso.h */
uint64_t vdso_bytes(const Elf64_Ehdr *ehdr);
uint64_t vdso_length(const Elf64_Ehdr *ehdr);
long vdso_map(uint64_t address);

#endif
