/* SPDX-License-Identifier: MIT */
/* The fast path as a runtime uses it: in line, the payload from registers. */
#include "ring/writer_x86.h"

.macro STORE_PAYLOAD
	movq %r10, 4(%rdi)
	movq %r11, 12(%rdi)
.endm

	.text

/* void bench_loop(struct ring_header *session, struct ring_thread *thread, uint64_t nr) */
	.globl bench_loop
	.type bench_loop, @function
bench_loop:
	.cfi_startproc
	pushq %rbx
	.cfi_adjust_cfa_offset 8
	pushq %r12
	.cfi_adjust_cfa_offset 8
	pushq %r13
	.cfi_adjust_cfa_offset 8
	subq $16, %rsp
	.cfi_adjust_cfa_offset 16
	movq %rdi, (%rsp)
	movq %rsi, %r12
	movq %rdx, %rbx
	movq %rdi, %r13
1:	movq RING_THREAD_RSEQ(%r12), %rcx
	movq RING_THREAD_COMMON(%r12), %r10
	orq $RING_EVENT_ENTRY, %r10
	movq %rbx, %r11
	RING_WRITE_CALL loop, (%rsp), STORE_PAYLOAD, 2f
3:	decq %rbx
	jnz 1b
	addq $16, %rsp
	.cfi_adjust_cfa_offset -16
	popq %r13
	.cfi_adjust_cfa_offset -8
	popq %r12
	.cfi_adjust_cfa_offset -8
	popq %rbx
	.cfi_adjust_cfa_offset -8
	ret
	.cfi_adjust_cfa_offset 40
2:	movq %rbx, 8(%rsp)
	movq %r13, %rdi
	movq %r12, %rsi
	movl $RING_EVENT_ENTRY, %edx
	leaq 8(%rsp), %rcx
	movl $8, %r8d
	call ring_write
	jmp 3b
	RING_ABORT loop, 2b
	.cfi_endproc
	.size bench_loop, . - bench_loop

/* void bench_counter(uint64_t nr) */
	.globl bench_counter
	.type bench_counter, @function
bench_counter:
	.cfi_startproc
1:	rdtsc
	decq %rdi
	jnz 1b
	ret
	.cfi_endproc
	.size bench_counter, . - bench_counter

	.section .note.GNU-stack, "", @progbits
