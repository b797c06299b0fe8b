/* SPDX-License-Identifier: GPL-2.0-or-later */
/* breakpoint.h - let a traced process run up to an address. */
#ifndef MITOSIS_BREAKPOINT_H
#define MITOSIS_BREAKPOINT_H

#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/user.h>
#include <sys/wait.h>

/* It is stopped, and stopped at the address afterwards. 0, or -1 when it ended or did not come there. */
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
		if (ptrace(PTRACE_CONT, pid, 0, signo) || waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
			return -1;
		if (ptrace(PTRACE_GETREGS, pid, 0, &regs))
			return -1;
		signo = WSTOPSIG(status);
		if (signo == SIGTRAP && regs.rip == address + 1)
			break;
	}
	regs.rip = address;
	return ptrace(PTRACE_POKETEXT, pid, address, there) || ptrace(PTRACE_SETREGS, pid, 0, &regs) ? -1 : 0;
}

#endif
