// SPDX-License-Identifier: LGPL-2.1-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* identity.c - what this host is, in short numbers that people can compare by eye. */
#include "private/identity.h"

#include <elf.h>
#include <sys/auxv.h>

#include "cpu.h"
#include "format/descriptor.h"
#include "vdso.h"

static uint32_t shortened(uint64_t hash)
{
	return (uint32_t)(hash >> 32 ^ hash);
}

unsigned int identity_processor(uint32_t *hash, uint64_t *states)
{
	struct mitosis_cpu cpu;
	unsigned int count;

	cpu_identify(&cpu);
	count = cpu_keep_relevant(&cpu);
	*hash = shortened(descriptor_hash(&cpu, sizeof(cpu)));
	*states = cpu_states(&cpu);
	return count;
}

uint64_t identity_vdso(uint32_t *hash)
{
	const Elf64_Ehdr *vdso = (const void *)getauxval(AT_SYSINFO_EHDR);

	*hash = vdso ? shortened(descriptor_hash(vdso, vdso_bytes(vdso))) : 0;
	return vdso ? vdso_length(vdso) : 0;
}

int identity_map_vdso(uint64_t address)
{
	return (int)vdso_map(address);
}
