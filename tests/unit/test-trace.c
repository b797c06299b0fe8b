// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (C) 2026 mitosis-exp maintainers
/* test-trace.c - how a thread that was stopped in a call goes on, in its parent and in a child: no system calls. */
#include <stdio.h>
#include <stdlib.h>

#include "trace.h"

enum { REPEATED = 1, LEFT };	/* the call is made again; the registers stay, but for orig_rax in a child */

static const struct {
	long nr, result;
	bool deliverable;
	const char *sleeps_in;
	int parent, child;		/* 0: a child cannot be made */
	long repeats;			/* the call that a child makes; 0: nr */
} table[] = {
	/* Not in a call, or at the end of one. */
	{ -1, -EINTR, false, "", LEFT, LEFT, 0 },
	{ SYS_read, 5, false, "", LEFT, LEFT, 0 },
	{ SYS_read, -EAGAIN, false, "", LEFT, LEFT, 0 },
	/* What the kernel continues by itself, which no kernel knows of for a child. */
	{ SYS_read, -512, false, "", LEFT, REPEATED, 0 },
	{ SYS_wait4, -513, false, "", LEFT, REPEATED, 0 },
	{ SYS_pselect6, -514, false, "", LEFT, REPEATED, 0 },
	{ SYS_nanosleep, -516, false, "hrtimer_nanosleep", LEFT, REPEATED, 0 },
	/* Continued once already: the number says nothing any more. */
	{ SYS_restart_syscall, -516, false, "futex_wait_queue", LEFT, REPEATED, SYS_futex },
	{ SYS_restart_syscall, -516, false, "hrtimer_nanosleep", LEFT, REPEATED, SYS_clock_nanosleep },
	{ SYS_restart_syscall, -516, false, "do_syscall_64", LEFT, REPEATED, SYS_clock_nanosleep },
	{ SYS_restart_syscall, -516, false, "do_poll.constprop.0", LEFT, REPEATED, SYS_poll },
	{ SYS_restart_syscall, -516, false, "0", LEFT, 0, 0 },
	/* What ends early without a signal, and only then. */
	{ SYS_epoll_wait, -EINTR, false, "", REPEATED, REPEATED, 0 },
	{ SYS_rt_sigtimedwait, -EINTR, false, "", REPEATED, REPEATED, 0 },
	{ SYS_semtimedop, -EINTR, false, "", REPEATED, REPEATED, 0 },
	{ SYS_recvfrom, -EINTR, false, "", REPEATED, REPEATED, 0 },
	{ SYS_epoll_wait, -EINTR, true, "", LEFT, LEFT, 0 },
	{ SYS_open, -EINTR, false, "", LEFT, LEFT, 0 },
};

static int failures;

static void check(size_t i, const char *who, const struct arch_registers *r, int want, long repeats)
{
	bool repeated = r->rip == 0x1000 && (long)r->rax == repeats && (long)r->orig_rax == -1;
	bool left = r->rip == 0x1002 && (long)r->rax == table[i].result;

	if (want == REPEATED ? repeated : left)
		return;
	printf("row %zu, %s: rip 0x%llx, rax %ld, orig_rax %ld\n", i, who, (unsigned long long)r->rip, (long)r->rax,
	       (long)r->orig_rax);
	failures++;
}

int main(void)
{
	static const uint8_t code[] = { 0x90, 0x0f, 0x1f, 0x0f, 0x05, 0xc3 };

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const struct arch_registers start = {
			.rip = 0x1002, .rax = (uint64_t)table[i].result, .orig_rax = (uint64_t)table[i].nr, .rdi = 1,
		};
		struct arch_registers r = start;
		bool can;

		trace_resume_parent(&r, table[i].deliverable);
		check(i, "parent", &r, table[i].parent, table[i].nr);
		r = start;
		can = trace_resume_child(&r, table[i].deliverable, table[i].sleeps_in);
		if (can != (table[i].child != 0)) {
			printf("row %zu: a child %s be made\n", i, can ? "can" : "cannot");
			failures++;
		} else if (can) {
			check(i, "child", &r, table[i].child, table[i].repeats ? table[i].repeats : table[i].nr);
		}
	}
	if (!trace_is_continuing(&(struct arch_registers){ .rax = SYS_restart_syscall }, code + 3) ||
	    trace_is_continuing(&(struct arch_registers){ .rax = SYS_restart_syscall }, code + 1) ||
	    trace_is_continuing(&(struct arch_registers){ .rax = SYS_nanosleep }, code + 3)) {
		printf("it is not told who is about to continue a call\n");
		failures++;
	}
	if (trace_find_call(code, sizeof(code)) != 3 || trace_find_call(code, 4) != -1) {
		printf("the instruction is not found where it is\n");
		failures++;
	}
	return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
