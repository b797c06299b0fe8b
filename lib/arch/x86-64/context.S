/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* context.S - save and load the callee-saved registers; struct mitosis_registers in context.h. */
#include <asm/unistd.h>

	.text
	.globl	mitosis_context_save
	.hidden	mitosis_context_save
	.type	mitosis_context_save, @function
mitosis_context_save:
	endbr64
	mov	%rbx, 0(%rdi)
	mov	%rbp, 8(%rdi)
	mov	%r12, 16(%rdi)
	mov	%r13, 24(%rdi)
	mov	%r14, 32(%rdi)
	mov	%r15, 40(%rdi)
	lea	8(%rsp), %rax
	mov	%rax, 48(%rdi)
	mov	(%rsp), %rax
	mov	%rax, 56(%rdi)
	stmxcsr	64(%rdi)
	fnstcw	68(%rdi)
	xor	%eax, %eax
	ret
	.size	mitosis_context_save, .-mitosis_context_save

	.globl	mitosis_context_resume
	.hidden	mitosis_context_resume
	.type	mitosis_context_resume, @function
mitosis_context_resume:		/* rdi: arena, rsi: its length, rdx: registers */
	endbr64
	mov	0(%rdx), %rbx
	mov	8(%rdx), %rbp
	mov	16(%rdx), %r12
	mov	24(%rdx), %r13
	mov	32(%rdx), %r14
	mov	40(%rdx), %r15
	mov	48(%rdx), %rsp
	ldmxcsr	64(%rdx)
	fldcw	68(%rdx)
	mov	56(%rdx), %rdx
	mov	$__NR_munmap, %eax
	syscall
	mov	$1, %eax
	jmp	*%rdx
	.size	mitosis_context_resume, .-mitosis_context_resume

	.globl	mitosis_stack_switch
	.hidden	mitosis_stack_switch
	.type	mitosis_stack_switch, @function
mitosis_stack_switch:		/* rdi: top of the stack, rsi: entry, rdx: argument */
	endbr64
	mov	%rdi, %rsp
	and	$-16, %rsp
	xor	%ebp, %ebp
	mov	%rdx, %rdi
	call	*%rsi
	ud2
	.size	mitosis_stack_switch, .-mitosis_stack_switch

	.section .note.GNU-stack, "", @progbits
