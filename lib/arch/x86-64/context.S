/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copyright (C) 2026 mitosis-exp maintainers */
/* context.S - see context.h; offsets are those of struct arch_registers. */
#include <asm/unistd.h>

/* linux/futex.h, which is C */
#define FUTEX_WAIT_PRIVATE	128
#define FUTEX_WAKE_PRIVATE	129

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

	.globl	arch_leave, arch_join, arch_leave_end
	.hidden	arch_leave, arch_join, arch_leave_end
	.type	arch_leave, @function
arch_leave:			/* rdi: start, rsi: length, rdx: frame or 0, rcx: gate or 0 */
	mov	%rdx, %rsp
	mov	%rcx, %r12
	mov	$__NR_munmap, %eax
	syscall
	test	%r12, %r12
	jz	1f
	movl	$1, 4(%r12)
	lea	4(%r12), %rdi
	mov	$FUTEX_WAKE_PRIVATE, %esi
	mov	$0x7fffffff, %edx
	mov	$__NR_futex, %eax
	syscall
1:	test	%rsp, %rsp
	jz	2f
	mov	$__NR_rt_sigreturn, %eax
	syscall
2:	xor	%edi, %edi
	mov	$__NR_exit, %eax
	syscall
	ud2
	.size	arch_leave, .-arch_leave

	.type	arch_join, @function
arch_join:			/* rdi: frame, rsi: gate */
	mov	%rdi, %rsp
	mov	%rsi, %r12
	lock incl (%r12)
	mov	%r12, %rdi
	mov	$FUTEX_WAKE_PRIVATE, %esi
	mov	$1, %edx
	mov	$__NR_futex, %eax
	syscall
3:	cmpl	$0, 4(%r12)
	jne	4f
	lea	4(%r12), %rdi
	mov	$FUTEX_WAIT_PRIVATE, %esi
	xor	%edx, %edx
	xor	%r10d, %r10d
	mov	$__NR_futex, %eax
	syscall
	jmp	3b
4:	mov	$__NR_rt_sigreturn, %eax
	syscall
	ud2
arch_leave_end:
	.size	arch_join, .-arch_join

	.globl	arch_thread
	.hidden	arch_thread
	.type	arch_thread, @function
arch_thread:			/* rdi: clone flags, rsi: top of its stack, rdx: entry, rcx: argument */
	endbr64
	and	$-16, %rsi
	sub	$16, %rsi
	mov	%rdx, 8(%rsi)
	mov	%rcx, 0(%rsi)
	xor	%edx, %edx
	xor	%r10d, %r10d
	xor	%r8d, %r8d
	mov	$__NR_clone, %eax
	syscall
	test	%rax, %rax
	jz	5f
	ret
5:	xor	%ebp, %ebp
	pop	%rdi
	pop	%rax
	call	*%rax
	ud2
	.size	arch_thread, .-arch_thread

	.globl	arch_thread_as
	.hidden	arch_thread_as
	.type	arch_thread_as, @function
arch_thread_as:			/* rdi: struct clone_args, rsi: its size, rdx: entry, rcx: argument */
	endbr64
	mov	%rcx, %r8		/* the kernel keeps all but rax, rcx and r11 */
	mov	$__NR_clone3, %eax
	syscall
	test	%rax, %rax
	jz	6f
	ret
6:	xor	%ebp, %ebp
	and	$-16, %rsp
	mov	%r8, %rdi
	call	*%rdx
	ud2
	.size	arch_thread_as, .-arch_thread_as

	.globl	arch_end_handler
	.hidden	arch_end_handler
	.type	arch_end_handler, @function
arch_end_handler:
	mov	$__NR_rt_sigreturn, %eax
	syscall
	ud2
	.size	arch_end_handler, .-arch_end_handler

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
