/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* breakpoint.h - let a traced process of x86-64 run up to an address, or find where that is. */
#ifndef MITOSIS_BREAKPOINT_H
#define MITOSIS_BREAKPOINT_H

#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/user.h>
#include <sys/wait.h>

#ifdef __x86_64__

/*
 * It is stopped, and stopped at the address afterwards. 0, or -1 when it ended or did not come
 * there.
 */
static inline int run_to(pid_t pid, unsigned long address)
{
	struct user_regs_struct regs;
	long there;
	int status, signo = 0;

	errno = 0;
	there = ptrace(PTRACE_PEEKTEXT, pid, address, 0);
	if (errno || ptrace(PTRACE_POKETEXT, pid, address, (there & ~0xffL) | 0xcc))	/* int3 */
		return -1;
	for (;;) {
		if (ptrace(PTRACE_CONT, pid, 0, signo) || waitpid(pid, &status, 0) != pid ||
		    !WIFSTOPPED(status))
			return -1;
		if (ptrace(PTRACE_GETREGS, pid, 0, &regs))
			return -1;
		signo = WSTOPSIG(status);
		if (signo == SIGTRAP && regs.rip == address + 1)
			break;
	}
	regs.rip = address;
	if (ptrace(PTRACE_POKETEXT, pid, address, there) || ptrace(PTRACE_SETREGS, pid, 0, &regs))
		return -1;
	return 0;
}

/*
 * The main function of a program that is stopped at its entry; 0: not to be told. It has been
 * stepped up to its first call then, which in a start file of the GNU C library is
 * __libc_start_main(main, argc, argv, ...): recognised by argc and argv, which are where the psABI
 * has the kernel put them. What was stepped over has changed the process's registers and memory
 * only. -1 when the process ended.
 */
static inline long main_of(pid_t pid)
{
	struct user_regs_struct regs;
	unsigned long stack;
	int status;

	if (ptrace(PTRACE_GETREGS, pid, 0, &regs))
		return -1;
	stack = regs.rsp;
	for (int i = 0; i < 24; i++) {
		unsigned long code, argc;

		errno = 0;
		code = (unsigned long)ptrace(PTRACE_PEEKTEXT, pid, regs.rip, 0);
		argc = (unsigned long)ptrace(PTRACE_PEEKDATA, pid, stack, 0);
		if (errno)
			return 0;
		if ((code & 0xffff) == 0x050f)	/* syscall: no start file of the kind */
			return 0;
		if ((code & 0xffff) == 0xe867)	/* addr32, by which a linker fills up */
			code >>= 8;
		if ((code & 0xff) == 0xe8 ||
		    (code & 0xffff) == 0x15ff) /* call rel32; call *rel32(%rip) */
			return regs.rsi == argc && regs.rdx == stack + 8 ? (long)regs.rdi : 0;
		if (ptrace(PTRACE_SINGLESTEP, pid, 0, 0) || waitpid(pid, &status, 0) != pid ||
		    !WIFSTOPPED(status))
			return -1;
		if (WSTOPSIG(status) != SIGTRAP || ptrace(PTRACE_GETREGS, pid, 0, &regs))
			return -1;
	}
	return 0;
}

#else

/* Not yet for this processor: where main is cannot be told, so that nobody runs up to it. */
static inline int run_to(pid_t pid, unsigned long address)
{
	errno = ENOSYS;
	return -1;
}

static inline long main_of(pid_t pid)
{
	return 0;
}

#endif

#endif
