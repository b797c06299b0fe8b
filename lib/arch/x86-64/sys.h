/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* sys.h - raw system calls for code that may not touch errno, the PLT or thread-local storage. */
#ifndef MITOSIS_SYS_H
#define MITOSIS_SYS_H

#include <stdint.h>
#include <sys/syscall.h>

static inline long sys_call6(long nr, long a, long b, long c, long d, long e, long f)
{
	long ret;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;

	__asm__ volatile("syscall" : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

#define SYS_PAD_(nr, a, b, c, d, e, f, ...) \
	sys_call6((nr), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
/* Returns what the kernel returns: a negative errno value on failure. */
#define sys(...) SYS_PAD_(__VA_ARGS__, 0, 0, 0, 0, 0, 0)

#define SYS_FAILED(ret) ((unsigned long)(ret) >= -4095UL)

#endif
