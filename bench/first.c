// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/*
 * first.c - prints the time of its first instruction, without a C library, whose own beginning would be
 * part of what is measured: on a virtual machine most of it, as glibc asks the processor (CPUID) some
 * dozens of times what it is, and each answer comes from the host.
 */
#include <stdint.h>
#include <time.h>

#include "sys.h"

__attribute__((force_align_arg_pointer, noreturn, used)) void _start(void);

void _start(void)
{
	struct timespec now;
	char text[24];
	int i = sizeof(text);
	uint64_t ns;

	sys(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
	ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	text[--i] = '\n';
	for (; ns; ns /= 10)
		text[--i] = (char)('0' + ns % 10);
	sys(SYS_write, 1, text + i, sizeof(text) - (unsigned)i);
	for (;;)
		sys(SYS_exit_group, 0);
}
