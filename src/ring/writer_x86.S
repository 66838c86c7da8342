/* SPDX-License-Identifier: MIT */
/* The writer's restartable sequences for x86-64. */
#include "ring/writer_x86.h"

	.text

/*
 * bool ring_step_restartable(const struct ring_step *step, void *rseq, uint32_t cpu)
 */
#define STEP_CHECKS 0
#define STEP_LAST   48
#define STEP_COPIES 64
#define STEP_NR	    136
#define STEP_STORES 144

.macro CHECK_WORD nr
	movq STEP_CHECKS + 16 * \nr(%r8), %rax
	movq STEP_CHECKS + 16 * \nr + 8(%r8), %rcx
	cmpq (%rax), %rcx
	jne .Lstep_not
.endm

.macro COPY_BYTES nr
	movq STEP_COPIES + 24 * \nr(%r8), %rdi
	movq STEP_COPIES + 24 * \nr + 8(%r8), %rsi
	movq STEP_COPIES + 24 * \nr + 16(%r8), %rcx
	rep movsb
.endm

	.globl ring_step_restartable
	.hidden ring_step_restartable
	.type ring_step_restartable, @function
ring_step_restartable:
	.cfi_startproc
	RING_SEQUENCE step
	movq %rdi, %r8
	leaq .Lring_cs_step(%rip), %rax
	movq %rax, RING_RSEQ_CS(%rsi)
.Lring_begin_step:
	cmpl RING_RSEQ_CPU_ID(%rsi), %edx
	jne .Lstep_not
	RING_POINT 6
	CHECK_WORD 0
	CHECK_WORD 1
	CHECK_WORD 2
	RING_POINT 7
	leaq STEP_STORES(%r8), %r9
	movq STEP_NR(%r8), %r10
	jmp 2f
1:	movq (%r9), %rax
	movq 8(%r9), %rcx
	movq %rcx, (%rax)
	addq $16, %r9
	decq %r10
2:	testq %r10, %r10
	jnz 1b
	COPY_BYTES 0
	COPY_BYTES 1
	COPY_BYTES 2
	RING_POINT 8
	movq STEP_LAST(%r8), %rax
	movq STEP_LAST + 8(%r8), %rcx
	/* What it makes visible depends on the step: a record, a page, a loss. */
	movq %rcx, (%rax)
.Lring_end_step:
	RING_POINT 9
	movl $1, %eax
	ret
.Lstep_not:
	xorl %eax, %eax
	ret
	RING_ABORT step, .Lstep_not
	.cfi_endproc
	.size ring_step_restartable, . - ring_step_restartable

/*
 * bool ring_write_call(struct ring_header *session, struct ring_thread *thread, uint16_t type,
 *			uint32_t addr, uint64_t sp)
 */
.macro STORE_PAYLOAD
	movq %r9, 4(%rdi)
	movq %r8, 12(%rdi)
.endm

	.globl ring_write_call
	.hidden ring_write_call
	.type ring_write_call, @function
ring_write_call:
	.cfi_startproc
	subq $40, %rsp
	.cfi_adjust_cfa_offset 40
	movq %rdi, (%rsp)
	movzwl %dx, %edx
	movq RING_THREAD_COMMON(%rsi), %r9
	addq %rdx, %r9
	movl %ecx, %ecx
	shrq $3, %r8
	shlq $32, %r8
	orq %rcx, %r8
	movq RING_THREAD_RSEQ(%rsi), %rcx
	movq %rsi, 8(%rsp)
	movl %edx, 16(%rsp)
	movq %r8, 24(%rsp)
	testq %rcx, %rcx
	jz 1f
	RING_WRITE_CALL call, (%rsp), STORE_PAYLOAD, 1f
	movl $1, %eax
	addq $40, %rsp
	.cfi_adjust_cfa_offset -40
	ret
	.cfi_adjust_cfa_offset 40
1:	movq (%rsp), %rdi
	movq 8(%rsp), %rsi
	movl 16(%rsp), %edx
	leaq 24(%rsp), %rcx
	movl $8, %r8d
	call ring_write
	addq $40, %rsp
	.cfi_adjust_cfa_offset -40
	ret
	.cfi_adjust_cfa_offset 40
	RING_ABORT call, 1b
	.cfi_endproc
	.size ring_write_call, . - ring_write_call

	.section .note.GNU-stack, "", @progbits
