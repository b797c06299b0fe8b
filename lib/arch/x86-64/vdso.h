/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* vdso.h - the code that the kernel maps into each process. */
#ifndef MITOSIS_VDSO_H
#define MITOSIS_VDSO_H

#include <elf.h>
#include <stdint.h>

#include "sys.h"

#ifndef ARCH_MAP_VDSO_64
#define ARCH_MAP_VDSO_64 0x2003
#endif

/*
 * Its length in memory, in bytes: section headers are the last thing in its image, which fills
 * whole pages.
 */
static inline uint64_t vdso_length(const Elf64_Ehdr *ehdr)
{
	uint64_t end = ehdr->e_shoff + (uint64_t)ehdr->e_shnum * ehdr->e_shentsize;

	return (end + 4095) & ~4095ULL;
}

/* Map it, with the data before it, at this address; only while none is mapped. 0 or -errno. */
static inline long vdso_map(uint64_t address)
{
	long ret = sys(SYS_arch_prctl, ARCH_MAP_VDSO_64, address);

	/* It says how long it is. */
	return ret < 0 ? ret : 0;
}

#endif
