/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * cpu.h - the processor's identity, as far as a resumed program can have come to rely on it.
 *
 * Libraries choose code by CPUID when they start, so a child's processor must offer every feature
 * the parent's had, and the operating system must save at least the same register state (XCR0).
 * Freestanding: also used by the shadow.
 */
#ifndef MITOSIS_CPU_H
#define MITOSIS_CPU_H

#include <stdint.h>
#include <cpuid.h>

enum cpu_word {
	CPU_1_ECX, CPU_1_EDX, CPU_7_EBX, CPU_7_ECX, CPU_7_EDX, CPU_71_EAX, CPU_71_EDX, CPU_D1_EAX,
	CPU_EXT_ECX, CPU_EXT_EDX,
	CPU_WORDS
};

struct mitosis_cpu {
	uint32_t words[CPU_WORDS];	/* raw CPUID output, see enum cpu_word */
	uint64_t xcr0;			/* 0: no XSAVE */
	uint64_t xsave_layout;		/* cpu_xsave_layout(xcr0) */
};

/*
 * A number for where XSAVE puts each of the extended states in xcr0, which differs between makers:
 * the frame of a signal handler holds such an area. 64-bit FNV-1a over sizes and offsets (CPUID
 * leaf 0xd).
 */
static inline uint64_t cpu_xsave_layout(uint64_t xcr0)
{
	uint64_t hash = 0xcbf29ce484222325ULL;
	uint32_t size, offset, c, d;

	/* x87 and SSE have their place in all of them. */
	for (unsigned int i = 2; i < 63; i++) {
		if (!(xcr0 >> i & 1))
			continue;
		__cpuid_count(0xd, i, size, offset, c, d);
		hash = (hash ^ ((uint64_t)offset << 32 | size)) * 0x100000001b3ULL;
	}
	return hash;
}

static inline void cpu_identify(struct mitosis_cpu *cpu)
{
	uint32_t a, b, c, d, max, max_ext;

	for (int i = 0; i < CPU_WORDS; i++)
		cpu->words[i] = 0;
	cpu->xcr0 = 0;
	cpu->xsave_layout = 0;
	__cpuid(0, max, b, c, d);
	__cpuid(1, a, b, cpu->words[CPU_1_ECX], cpu->words[CPU_1_EDX]);
	if (max >= 7) {
		__cpuid_count(7, 0, a, cpu->words[CPU_7_EBX], cpu->words[CPU_7_ECX],
			      cpu->words[CPU_7_EDX]);
		if (a >= 1)
			__cpuid_count(7, 1, cpu->words[CPU_71_EAX], b, c, cpu->words[CPU_71_EDX]);
	}
	__cpuid(0x80000000U, max_ext, b, c, d);
	if (max_ext >= 0x80000001U)
		__cpuid(0x80000001U, a, b, cpu->words[CPU_EXT_ECX], cpu->words[CPU_EXT_EDX]);
	if (cpu->words[CPU_1_ECX] & (1U << 27)) {
		uint32_t lo, hi;

		__asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
		cpu->xcr0 = (uint64_t)hi << 32 | lo;
		if (max >= 0xd) {
			__cpuid_count(0xd, 1, cpu->words[CPU_D1_EAX], b, c, d);
			cpu->xsave_layout = cpu_xsave_layout(cpu->xcr0);
		}
	}
}

/* Of the features keep those that programs choose code by, and return how many these are. */
unsigned int cpu_keep_relevant(struct mitosis_cpu *cpu);

/* Does this processor save the register states of the parent where the parent's does? */
static inline int cpu_same_layout(const struct mitosis_cpu *parent)
{
	return !parent->xcr0 || cpu_xsave_layout(parent->xcr0) == parent->xsave_layout;
}

/* The register states that the operating system saves. */
static inline uint64_t cpu_states(const struct mitosis_cpu *cpu)
{
	return cpu->xcr0;
}

/* Name of a feature or register state that the parent had and this processor lacks, or NULL. */
const char *cpu_missing(const struct mitosis_cpu *parent, const struct mitosis_cpu *here);

#endif
