// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* cpu.c - names the processor feature that keeps a snapshot from running here. */
#include "cpu.h"

#include <stddef.h>

/* Only what user programs can select code by; bits per Intel SDM volume 2, CPUID, and AMD APM. */
static const struct {
	uint8_t word, bit;
	const char *name;
} features[] = {
	{ CPU_1_ECX, 0, "sse3" },
	{ CPU_1_ECX, 1, "pclmulqdq" },
	{ CPU_1_ECX, 9, "ssse3" },
	{ CPU_1_ECX, 12, "fma" },
	{ CPU_1_ECX, 13, "cx16" },
	{ CPU_1_ECX, 19, "sse4_1" },
	{ CPU_1_ECX, 20, "sse4_2" },
	{ CPU_1_ECX, 22, "movbe" },
	{ CPU_1_ECX, 23, "popcnt" },
	{ CPU_1_ECX, 25, "aes" },
	{ CPU_1_ECX, 26, "xsave" },
	{ CPU_1_ECX, 27, "osxsave" },
	{ CPU_1_ECX, 28, "avx" },
	{ CPU_1_ECX, 29, "f16c" },
	{ CPU_1_ECX, 30, "rdrand" },
	{ CPU_7_EBX, 0, "fsgsbase" },
	{ CPU_7_EBX, 3, "bmi1" },
	{ CPU_7_EBX, 4, "hle" },
	{ CPU_7_EBX, 5, "avx2" },
	{ CPU_7_EBX, 8, "bmi2" },
	{ CPU_7_EBX, 9, "erms" },
	{ CPU_7_EBX, 11, "rtm" },
	{ CPU_7_EBX, 16, "avx512f" },
	{ CPU_7_EBX, 17, "avx512dq" },
	{ CPU_7_EBX, 18, "rdseed" },
	{ CPU_7_EBX, 19, "adx" },
	{ CPU_7_EBX, 21, "avx512ifma" },
	{ CPU_7_EBX, 23, "clflushopt" },
	{ CPU_7_EBX, 24, "clwb" },
	{ CPU_7_EBX, 28, "avx512cd" },
	{ CPU_7_EBX, 29, "sha_ni" },
	{ CPU_7_EBX, 30, "avx512bw" },
	{ CPU_7_EBX, 31, "avx512vl" },
	{ CPU_7_ECX, 1, "avx512vbmi" },
	{ CPU_7_ECX, 3, "pku" },
	{ CPU_7_ECX, 4, "ospke" },
	{ CPU_7_ECX, 5, "waitpkg" },
	{ CPU_7_ECX, 6, "avx512_vbmi2" },
	{ CPU_7_ECX, 8, "gfni" },
	{ CPU_7_ECX, 9, "vaes" },
	{ CPU_7_ECX, 10, "vpclmulqdq" },
	{ CPU_7_ECX, 11, "avx512_vnni" },
	{ CPU_7_ECX, 12, "avx512_bitalg" },
	{ CPU_7_ECX, 14, "avx512_vpopcntdq" },
	{ CPU_7_ECX, 22, "rdpid" },
	{ CPU_7_ECX, 27, "movdiri" },
	{ CPU_7_ECX, 28, "movdir64b" },
	{ CPU_7_EDX, 4, "fsrm" },
	{ CPU_7_EDX, 8, "avx512_vp2intersect" },
	{ CPU_7_EDX, 22, "amx_bf16" },
	{ CPU_7_EDX, 23, "avx512_fp16" },
	{ CPU_7_EDX, 24, "amx_tile" },
	{ CPU_7_EDX, 25, "amx_int8" },
	{ CPU_71_EAX, 0, "sha512" },
	{ CPU_71_EAX, 1, "sm3" },
	{ CPU_71_EAX, 2, "sm4" },
	{ CPU_71_EAX, 4, "avx_vnni" },
	{ CPU_71_EAX, 5, "avx512_bf16" },
	{ CPU_71_EAX, 7, "cmpccxadd" },
	{ CPU_71_EAX, 21, "amx_fp16" },
	{ CPU_71_EAX, 23, "avx_ifma" },
	{ CPU_71_EDX, 4, "avx_vnni_int8" },
	{ CPU_71_EDX, 5, "avx_ne_convert" },
	{ CPU_71_EDX, 8, "amx_complex" },
	{ CPU_71_EDX, 10, "avx_vnni_int16" },
	{ CPU_71_EDX, 14, "prefetchi" },
	{ CPU_71_EDX, 19, "avx10" },
	{ CPU_71_EDX, 21, "apx" },
	{ CPU_D1_EAX, 0, "xsaveopt" },
	{ CPU_D1_EAX, 1, "xsavec" },
	{ CPU_D1_EAX, 2, "xgetbv1" },
	{ CPU_EXT_ECX, 0, "lahf_lm" },
	{ CPU_EXT_ECX, 5, "lzcnt" },
	{ CPU_EXT_ECX, 6, "sse4a" },
	{ CPU_EXT_ECX, 11, "xop" },
	{ CPU_EXT_ECX, 16, "fma4" },
	{ CPU_EXT_ECX, 21, "tbm" },
	{ CPU_EXT_EDX, 27, "rdtscp" },
};

static const char *const states[] = {
	"x87 state", "SSE state", "AVX state", "MPX bounds state", "MPX control state",
	"AVX-512 mask state", "AVX-512 upper state", "AVX-512 high registers state",
	NULL, "protection key state", NULL, NULL, NULL, NULL, NULL, NULL, NULL,
	"AMX tile configuration state", "AMX tile data state",
};

const char *cpu_missing(const struct mitosis_cpu *parent, const struct mitosis_cpu *here)
{
	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
		uint32_t mask = 1U << features[i].bit;

		if (parent->words[features[i].word] & ~here->words[features[i].word] & mask)
			return features[i].name;
	}
	for (unsigned int i = 0; i < 64; i++) {
		if (!(parent->xcr0 & ~here->xcr0 & 1ULL << i))
			continue;
		if (i < sizeof(states) / sizeof(states[0]) && states[i])
			return states[i];
		return "an extended register state";
	}
	return NULL;
}

unsigned int cpu_keep_relevant(struct mitosis_cpu *cpu)
{
	uint32_t relevant[CPU_WORDS] = { 0 };
	unsigned int count = 0;

	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++)
		relevant[features[i].word] |= 1U << features[i].bit;
	for (int w = 0; w < CPU_WORDS; w++) {
		cpu->words[w] &= relevant[w];
		count += (unsigned int)__builtin_popcount(cpu->words[w]);
	}
	return count;
}
