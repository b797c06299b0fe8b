/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* context.S - see context.h; offsets are those of struct arch_registers. */
#include <asm/unistd.h>

	.text
	.globl	arch_save
	.hidden	arch_save
	.type	arch_save, @function
arch_save:			/* rdi: registers, rsi: room for FXSAVE */
	endbr64
	mov	%r15, 0(%rdi)
	mov	%r14, 8(%rdi)
	mov	%r13, 16(%rdi)
	mov	%r12, 24(%rdi)
	mov	%rbp, 32(%rdi)
	mov	%rbx, 40(%rdi)
	movq	$1, 80(%rdi)		/* rax: what it returns the second time */
	movq	$-1, 120(%rdi)		/* orig_rax: in no system call */
	mov	(%rsp), %rax
	mov	%rax, 128(%rdi)		/* rip: behind the call */
	mov	%cs, %eax
	mov	%rax, 136(%rdi)
	pushfq
	pop	%rax
	mov	%rax, 144(%rdi)
	lea	8(%rsp), %rax
	mov	%rax, 152(%rdi)
	mov	%ss, %eax
	mov	%rax, 160(%rdi)
	fxsave64 (%rsi)
	xor	%eax, %eax
	ret
	.size	arch_save, .-arch_save

	.globl	arch_leave, arch_leave_end
	.hidden	arch_leave, arch_leave_end
	.type	arch_leave, @function
arch_leave:			/* rdi: start, rsi: length, rdx: frame */
	mov	%rdx, %rsp
	mov	$__NR_munmap, %eax
	syscall
	mov	$__NR_rt_sigreturn, %eax
	syscall
	ud2
arch_leave_end:
	.size	arch_leave, .-arch_leave

	.globl	arch_switch_stack
	.hidden	arch_switch_stack
	.type	arch_switch_stack, @function
arch_switch_stack:		/* rdi: top of the stack, rsi: entry, rdx: argument */
	endbr64
	mov	%rdi, %rsp
	and	$-16, %rsp
	xor	%ebp, %ebp
	mov	%rdx, %rdi
	call	*%rsi
	ud2
	.size	arch_switch_stack, .-arch_switch_stack

	.section .note.GNU-stack, "", @progbits
