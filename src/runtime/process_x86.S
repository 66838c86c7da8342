/* SPDX-License-Identifier: MIT */
/*
 * What stands in place of functions and system calls of the loader and the C library: of modules
 * that come, of programs that are executed, of vfork.
 */
#include "runtime/asm_x86.h"
#include "runtime/runtime.h"

	.text

/*
 * In place of the loader's function that debuggers stop at, which does nothing: a list of modules
 * has changed.
 */
	FUNCTION rt_debug_state
	PUSH %rbp
	.cfi_rel_offset %rbp, 0
	movq %rsp, %rbp
	.cfi_def_cfa_register %rbp
	pushq %rax
	pushq %rdx
	pushq %rcx
	pushq %rsi
	pushq %rdi
	pushq %r8
	pushq %r9
	pushq %r10
	pushq %r11
	andq $-16, %rsp
	call rt_modules_changed
	leaq -72(%rbp), %rsp
	popq %r11
	popq %r10
	popq %r9
	popq %r8
	popq %rdi
	popq %rsi
	popq %rcx
	popq %rdx
	popq %rax
	popq %rbp
	.cfi_def_cfa %rsp, 8
	ret
	END rt_debug_state

/*
 * In place of the system call in execve of the C library, with the instruction behind it: glibc's is
 * the comparison, musl's the move (exec.c).
 */
	FUNCTION rt_exec_call
	subq $8, %rsp
	.cfi_adjust_cfa_offset 8
	call rt_exec
	addq $8, %rsp
	.cfi_adjust_cfa_offset -8
	movq %rax, %rdi
	cmpq $-4095, %rax
	ret
	END rt_exec_call

/* The same in execveat and fexecve, which may count on registers that a system call keeps. */
	FUNCTION rt_exec_at_call
	PUSH %rdi
	PUSH %rsi
	PUSH %rdx
	PUSH %r8
	PUSH %r9
	PUSH %r10
	movq %r10, %rcx
	call rt_exec_at
	POP %r10
	POP %r9
	POP %r8
	POP %rdx
	POP %rsi
	POP %rdi
	cmpq $-4096, %rax
	ret
	END rt_exec_at_call

/*
 * vfork: the child runs in the parent's memory, on its stack and with its thread's variables, but
 * the kernel does not restart its sequences. So what the thread knows of its stack is forgotten
 * meanwhile; the parent, whose registers are its own, knows it again.
 */
	.globl vfork
	.type vfork, @function
	.p2align 4
vfork:
	.cfi_startproc
	movq rt_thread@gottpoff(%rip), %r8
	movq %fs:RT_STACK_SIZE(%r8), %r9
	movq $0, %fs:RT_STACK_SIZE(%r8)
	POP %rdi
	.cfi_register %rip, %rdi
	movl $58, %eax /* SYS_vfork */
	syscall
	PUSH %rdi
	.cfi_rel_offset %rip, 0
	testl %eax, %eax
	jz .Lchild
	movq %r9, %fs:RT_STACK_SIZE(%r8)
	cmpl $-4095, %eax
	jae .Lfailed
.Lchild:
	ret
.Lfailed:
	negl %eax
	PUSH %rax
	call *__errno_location@GOTPCREL(%rip)
	POP %rdx
	movl %edx, (%rax)
	movq $-1, %rax
	ret
	END vfork
	.weak __errno_location

	.section .note.GNU-stack, "", @progbits
