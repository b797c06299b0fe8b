/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/*
 * trace.h - what a tracer must know of a stopped thread's registers: how to make it call the
 * kernel, and how a call that the stop interrupted goes on.
 */
#ifndef MITOSIS_TRACE_H
#define MITOSIS_TRACE_H

#include <cpuid.h>
#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "frame.h"
#include "registers.h"

/* An instruction that calls the kernel, as bytes. */
#define TRACE_CALL_BYTES	2u

/* Where in these bytes there is one; -1: nowhere. */
static inline long trace_find_call(const uint8_t *code, size_t bytes)
{
	for (size_t i = 0; i + TRACE_CALL_BYTES <= bytes; i++)
		if (code[i] == 0x0f && code[i + 1] == 0x05)
			return (long)i;
	return -1;
}

/* Let the thread call the kernel by the instruction at that address. */
static inline void trace_call(struct arch_registers *r, uint64_t at, long nr,
			      const uint64_t args[6])
{
	r->rip = at;
	r->rax = (uint64_t)nr;
	r->orig_rax = ~0ULL;
	r->rdi = args[0];
	r->rsi = args[1];
	r->rdx = args[2];
	r->r10 = args[3];
	r->r8 = args[4];
	r->r9 = args[5];
}

/*
 * What a borrowed thread runs (capture/borrow.h): a call, or one that makes a process, and then its
 * way back. Of a process that it made it waits for the end, so that no zombie stays. The way back
 * needs no memory but what lies behind these instructions: a call leaves all of a thread as it was
 * but for the registers that are loaded there, and the flags nothing here changes.
 */
struct trace_back {
	uint64_t mask, rax, rdi, rsi, rdx, r10, r8, r9, rcx, r11, rip;
};
#define TRACE_STUB_BACK		2u
#define TRACE_STUB_MAKE		101u
#define TRACE_STUB_DATA		160u
#define TRACE_STUB_BYTES	(TRACE_STUB_DATA + sizeof(struct trace_back))
/* From the end of an instruction to what it takes from there. */
#define AT_(end, field) \
	(TRACE_STUB_DATA + offsetof(struct trace_back, field) - (end)), 0, 0, 0
static const uint8_t trace_stub[TRACE_STUB_DATA] = {
	0x0f, 0x05,				/*   0: syscall */
	0xb8, SYS_rt_sigprocmask, 0, 0, 0,	/*   2: mov $SYS_rt_sigprocmask, %eax */
	0xbf, 2, 0, 0, 0,			/*   7: mov $SIG_SETMASK, %edi */
	0x48, 0x8d, 0x35, AT_(19, mask),	/*  12: lea mask(%rip), %rsi */
	0xba, 0, 0, 0, 0,			/*  19: mov $0, %edx */
	0x41, 0xba, 8, 0, 0, 0,			/*  24: mov $8, %r10d */
	0x0f, 0x05,				/*  30: syscall */
	0x48, 0x8b, 0x05, AT_(39, rax),		/*  32: mov rax(%rip), %rax */
	0x48, 0x8b, 0x3d, AT_(46, rdi),		/*  39: mov rdi(%rip), %rdi */
	0x48, 0x8b, 0x35, AT_(53, rsi),		/*  46: mov rsi(%rip), %rsi */
	0x48, 0x8b, 0x15, AT_(60, rdx),		/*  53: mov rdx(%rip), %rdx */
	0x4c, 0x8b, 0x15, AT_(67, r10),		/*  60: mov r10(%rip), %r10 */
	0x4c, 0x8b, 0x05, AT_(74, r8),		/*  67: mov r8(%rip), %r8 */
	0x4c, 0x8b, 0x0d, AT_(81, r9),		/*  74: mov r9(%rip), %r9 */
	0x48, 0x8b, 0x0d, AT_(88, rcx),		/*  81: mov rcx(%rip), %rcx */
	0x4c, 0x8b, 0x1d, AT_(95, r11),		/*  88: mov r11(%rip), %r11 */
	0xff, 0x25, AT_(101, rip),		/*  95: jmp *rip(%rip) */
	0x0f, 0x05,				/* 101: syscall */
	0x89, 0xc1,				/* 103: mov %eax, %ecx */
	0xe3, 36,				/* 105: jrcxz 143 */
	0x89, 0xc6,				/* 107: mov %eax, %esi; none if it failed */
	0xbf, 1, 0, 0, 0,			/* 109: mov $P_PID, %edi */
	0xba, 0, 0, 0, 0,			/* 114: mov $0, %edx */
	0x41, 0xba, 4, 0, 0, 0x40,		/* 119: mov $WEXITED | __WALL, %r10d */
	0x41, 0xb8, 0, 0, 0, 0,			/* 125: mov $0, %r8d */
	0xb8, SYS_waitid, 0, 0, 0,		/* 131: mov $SYS_waitid, %eax */
	0x0f, 0x05,				/* 136: syscall */
	0xe9, 0x73, 0xff, 0xff, 0xff,		/* 138: jmp 2 */
	0xb8, SYS_exit_group, 0, 0, 0,		/* 143: mov $SYS_exit_group, %eax */
	0xbf, 0, 0, 0, 0,			/* 148: mov $0, %edi */
	0x0f, 0x05,				/* 153: syscall */
	0xcc,
};
#undef AT_

/* These instructions, and what brings a thread back to these registers and blocked signals. */
static inline void trace_stub_write(uint8_t stub[TRACE_STUB_BYTES], const struct arch_registers *r,
				    uint64_t mask)
{
	const struct trace_back back = {
		.mask = mask, .rax = r->rax, .rdi = r->rdi, .rsi = r->rsi, .rdx = r->rdx,
		.r10 = r->r10, .r8 = r->r8, .r9 = r->r9, .rcx = r->rcx, .r11 = r->r11,
		.rip = r->rip,
	};

	memcpy(stub, trace_stub, sizeof(trace_stub));
	memcpy(stub + sizeof(trace_stub), &back, sizeof(back));
}

/* Let the thread, whose registers these are, go the way back that lies there. */
static inline void trace_return(struct arch_registers *r, uint64_t stub)
{
	r->rip = stub + TRACE_STUB_BACK;
	r->orig_rax = ~0ULL;
}

static inline long trace_result(const struct arch_registers *r)
{
	return (long)r->rax;
}

/* The thread stands in no system call: the kernel restarts none. */
static inline void trace_leave_call(struct arch_registers *r)
{
	r->orig_rax = ~0ULL;
}

/* Let the thread run this function with this argument on this stack. */
static inline void trace_enter(struct arch_registers *r, uint64_t function, uint64_t argument,
			       uint64_t stack_top)
{
	*r = (struct arch_registers){
		.cs = r->cs, .ss = r->ss, .eflags = 0x202,
		.fs_base = r->fs_base, .gs_base = r->gs_base,
		.ds = r->ds, .es = r->es, .fs = r->fs, .gs = r->gs,
		/* As a call leaves it. */
		.rip = function, .rdi = argument, .rsp = stack_top - 8, .orig_rax = ~0ULL,
	};
}

/* Where the thread is; and somewhere else. */
static inline void trace_go_to(struct arch_registers *r, uint64_t address)
{
	r->rip = address;
}

/* The kernel's own error numbers (linux/errno.h), which no program ever sees. */
enum {
	TRACE_RESTARTSYS = 512,
	TRACE_RESTARTNOINTR = 513,
	TRACE_RESTARTNOHAND = 514,
	TRACE_RESTART_RESTARTBLOCK = 516,
};

/*
 * Calls that end with EINTR after a stop by a tracer although no signal came. See signal(7), and
 * fs/, ipc/, net/.
 */
static inline bool trace_ends_early(long nr)
{
	switch (nr) {
	case SYS_epoll_wait:
	case SYS_epoll_pwait:
	case SYS_epoll_pwait2:
	case SYS_rt_sigtimedwait:
	case SYS_semop:
	case SYS_semtimedop:
	case SYS_io_getevents:
	case SYS_io_pgetevents:
	case SYS_io_uring_enter:
	/* Sockets with a time limit: SO_RCVTIMEO, SO_SNDTIMEO. */
	case SYS_read:
	case SYS_readv:
	case SYS_recvfrom:
	case SYS_recvmsg:
	case SYS_recvmmsg:
	case SYS_accept:
	case SYS_accept4:
	case SYS_write:
	case SYS_writev:
	case SYS_sendto:
	case SYS_sendmsg:
	case SYS_sendmmsg:
	case SYS_connect:
		return true;
	}
	return false;
}

/*
 * The call that a restart_syscall(2) continues, by what the kernel says the thread slept in; -1:
 * not known.
 */
static inline long trace_restarted(const struct arch_registers *r, const char *sleeps_in)
{
	if (strstr(sleeps_in, "futex"))
		return SYS_futex;
	/*
	 * The first argument of one is a small number, of the other an address. Both sleep in what
	 * counts as the scheduler, and where the compiler has made jumps of all calls from there up
	 * the entry is what remains.
	 */
	if (strstr(sleeps_in, "nanosleep") || strstr(sleeps_in, "nsleep") ||
	    strstr(sleeps_in, "do_syscall_64") || strstr(sleeps_in, "restart_syscall"))
		return r->rdi < 4096 ? SYS_clock_nanosleep : SYS_nanosleep;
	if (strstr(sleeps_in, "poll"))
		return SYS_poll;
	return -1;
}

/*
 * The thread is about to continue a call by restart_syscall(2), if there it calls the kernel: which
 * one the kernel alone knows, and not of a child.
 */
static inline bool trace_is_continuing(const struct arch_registers *r,
				       const uint8_t next[TRACE_CALL_BYTES])
{
	return r->rax == SYS_restart_syscall && !trace_find_call(next, TRACE_CALL_BYTES);
}

/* Make the call once more. */
static inline void trace_repeat(struct arch_registers *r, long nr)
{
	r->rax = (uint64_t)nr;
	r->rip -= TRACE_CALL_BYTES;
	r->orig_rax = ~0ULL;
}

/*
 * The thread was stopped with these registers: change them to those that the parent goes on with,
 * so that its program sees neither EINTR nor an early end. deliverable: a signal is pending that is
 * not blocked, and whose handler is to see EINTR. The rest the kernel does itself when the thread
 * is released.
 */
static inline void trace_resume_parent(struct arch_registers *r, bool deliverable)
{
	if ((int64_t)r->orig_rax >= 0 && (int64_t)r->rax == -EINTR && !deliverable &&
	    trace_ends_early((long)r->orig_rax))
		trace_repeat(r, (long)r->orig_rax);
}

/*
 * The same for a child, which no kernel knows to have been in a call. False: it cannot be told
 * which call the thread was in.
 */
static inline bool trace_resume_child(struct arch_registers *r, bool deliverable,
				      const char *sleeps_in)
{
	long nr = (long)r->orig_rax;

	if (nr < 0)
		return true;
	switch (-(int64_t)r->rax) {
	case EINTR:
		if (!deliverable && trace_ends_early(nr))
			trace_repeat(r, nr);
		break;
	case TRACE_RESTART_RESTARTBLOCK:
		if (nr == SYS_restart_syscall)
			nr = trace_restarted(r, sleeps_in);
		if (nr < 0)
			return false;
		trace_repeat(r, nr);
		break;
	case TRACE_RESTARTSYS:
	case TRACE_RESTARTNOINTR:
	case TRACE_RESTARTNOHAND:
		trace_repeat(r, nr);
		break;
	}
	trace_leave_call(r);
	return true;
}

/*
 * How many bytes of an XSAVE area in the standard format are in use (CPUID leaf 0xd): a child's
 * kernel takes no longer one than its process may have.
 */
static inline uint32_t trace_extended_used(const void *area, uint32_t bytes)
{
	static uint32_t ends[64];
	uint32_t used = FRAME_LEGACY + FRAME_HEADER;
	uint64_t has;

	if (bytes < used)
		return bytes;
	/* Asked once, since a virtual machine stops at each question. */
	for (unsigned int i = 2; !ends[0] && i < 63; i++) {
		uint32_t size, offset, c, d;

		__cpuid_count(0xd, i, size, offset, c, d);
		ends[i] = size ? offset + size : 0;
	}
	ends[0] = 1;
	memcpy(&has, (const char *)area + FRAME_LEGACY, sizeof(has));
	for (unsigned int i = 2; i < 63; i++)
		if (has >> i & 1 && ends[i] > used)
			used = ends[i];
	return used < bytes ? (used + 7) & ~7U : bytes;
}

/*
 * The extended state of a stopped thread, as a signal frame has it: FRAME_EXTENDED_MAX bytes of
 * room. 0 or -errno.
 */
static inline int trace_extended_read(int tid, void *area, uint32_t *bytes)
{
	struct iovec v = { area, FRAME_EXTENDED_MAX };

	if (ptrace(PTRACE_GETREGSET, tid, NT_X86_XSTATE, &v)) {
		/* A processor without XSAVE. */
		v.iov_len = FRAME_EXTENDED_MAX;
		if (ptrace(PTRACE_GETREGSET, tid, NT_PRFPREG, &v))
			return -errno;
	}
	*bytes = trace_extended_used(area, (uint32_t)v.iov_len);
	return 0;
}

#endif
