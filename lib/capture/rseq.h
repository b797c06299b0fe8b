/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * rseq.h - the restartable sequences that the C library registered for this thread; rseq(2) wants
 * the very same address, length and signature to unregister them, and the kernel tells a process
 * none.
 */
#ifndef MITOSIS_RSEQ_H
#define MITOSIS_RSEQ_H

#include <stdint.h>
#include <sys/rseq.h>

#include "sys.h"

/* Missing in C libraries that do not register restartable sequences. */
#pragma weak __rseq_offset
#pragma weak __rseq_size

/*
 * 32, the size of the original structure, unless the kernel fills more and the library knows to use
 * it.
 */
#define RSEQ_LENGTH_MIN 32u

/* In bytes; 0: none are registered. */
static inline uint32_t rseq_length(void)
{
	if (!&__rseq_size || !__rseq_size)
		return 0;
	return __rseq_size < RSEQ_LENGTH_MIN ? RSEQ_LENGTH_MIN : __rseq_size;
}

/* Only where rseq_length() is not 0. */
static inline uint64_t rseq_address(uint64_t tls)
{
	return tls + (uint64_t)__rseq_offset;
}

#endif
