/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* layout.h - this processor's name in descriptors, and the shape of its address spaces. */
#ifndef MITOSIS_LAYOUT_H
#define MITOSIS_LAYOUT_H

#define ARCH_TAG	1u			/* enum descriptor_arch */
#define ARCH_NAME	"x86-64"

#define PAGE_BYTES	4096UL
#define PAGE_SHIFT_BITS	12
#define USER_END	0x7ffffffff000UL	/* four-level page tables, without the guard page */

#endif
