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
 * Its image, in bytes: section headers are the last thing in it. Behind it a tracer that was killed
 * may have left something (capture/borrow.h).
 */
static inline uint64_t vdso_bytes(const Elf64_Ehdr *ehdr)
{
	return ehdr->e_shoff + (uint64_t)ehdr->e_shnum * ehdr->e_shentsize;
}

/* The same in memory, where it fills whole pages. */
static inline uint64_t vdso_length(const Elf64_Ehdr *ehdr)
{
	return (vdso_bytes(ehdr) + 4095) & ~4095ULL;
}

/* Map it, with the data before it, at this address; only while none is mapped. 0 or -errno. */
static inline long vdso_map(uint64_t address)
{
	long ret = sys(SYS_arch_prctl, ARCH_MAP_VDSO_64, address);

	/* It says how long it is. */
	return ret < 0 ? ret : 0;
}

#endif
