/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* identity.h - what must be the same on two hosts, for snapshots of one to run on the other. */
#ifndef MITOSIS_IDENTITY_H
#define MITOSIS_IDENTITY_H

#include <stdint.h>

/*
 * How many features this processor has that programs choose code by; *hash is the same for equal
 * sets of them, *states are the register states that the operating system saves (XCR0).
 */
unsigned int identity_processor(uint32_t *hash, uint64_t *states);
/* The vDSO's length in bytes, 0 if this kernel has none; *hash is the same for equal images. */
uint64_t identity_vdso(uint32_t *hash);
/* Map the vDSO, which is not mapped any more, again at this address. 0 or -errno. */
int identity_map_vdso(uint64_t address);

#endif
