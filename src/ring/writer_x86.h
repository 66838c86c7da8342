/* SPDX-License-Identifier: MIT */
/*
 * The fast path on x86-64, for assembly (C calls ring_write_call, which is made of it): the record
 * of a call, RING_CALL_BYTES long, into the ring of this CPU.
 *
 *	RING_WRITE_CALL tag, session, payload, slow
 *
 *   tag       of its labels; somewhere outside, where seldom executed code goes, there has to be
 *	       RING_ABORT tag, slow
 *   %rcx      the thread's struct rseq, not NULL
 *   session   memory operand that holds the address of the session, as ring_base(%rip)
 *   payload   name of a macro that stores the 16 bytes of the payload at 4(%rdi); it may clobber
 *             rax and rdx only. A restarted record is written again by the slow path, so nothing
 *             that it reads may be consumed
 *   slow      label to jump to when the record was not written: restarted, page full, long pause,
 *             tracing off, rseq not registered. There, call ring_write for the same record
 *
 * Clobbers rax, rdx, rcx, rsi, rdi and the flags. Uses no stack and calls nothing.
 */
#ifndef SONDE_RING_WRITER_X86_H
#define SONDE_RING_WRITER_X86_H

#include "ring/shared.h"

#ifdef __ASSEMBLER__
/* clang-format off */

/* Labelled points for tests: the process ends or stops right here. Nothing in what is shipped. */
#ifdef RING_TEST_POINTS
.macro RING_POINT number
	cmpl $\number, ring_point(%rip)
	jne .Lring_pass_\@
	movl $0, ring_point(%rip)
	movl ring_point_pid(%rip), %edi
	movl ring_point_signal(%rip), %esi
	movl $62, %eax /* kill */
	syscall
.Lring_pass_\@:
.endm
#else
.macro RING_POINT number
.endm
#endif

/* The kernel's struct rseq_cs: from .Lring_begin_TAG to .Lring_end_TAG. */
.macro RING_SEQUENCE tag
	.pushsection .data.rel.ro.ring, "aw"
	.balign 32
.Lring_cs_\tag:
	.long 0, 0 /* version, flags */
	.quad .Lring_begin_\tag, .Lring_end_\tag - .Lring_begin_\tag, .Lring_abort_\tag
	.popsection
.endm

/* The place where a restarted sequence goes on; it leads to `go_on`. */
.macro RING_ABORT tag, go_on
	.byte 0x0f, 0xb9, 0x3d /* with the signature: ud1, so that disassemblers stay in step */
	.long RING_RSEQ_SIG
.Lring_abort_\tag:
	jmp \go_on
.endm

.macro RING_WRITE_CALL tag, session, payload, slow
	RING_SEQUENCE \tag
	leaq .Lring_cs_\tag(%rip), %rsi
	movq %rsi, RING_RSEQ_CS(%rcx)
.Lring_begin_\tag:
	movl RING_RSEQ_CPU_ID(%rcx), %esi
	movq \session, %rdi
	RING_POINT 1
	cmpl RING_CPUS_ON(%rdi), %esi
	jae \slow
	shlq $RING_CONTROL_SHIFT, %rsi
	leaq RING_CONTROL_AT(%rdi,%rsi), %rsi
	rdtsc
	shlq $32, %rdx
	orq %rdx, %rax
	movq RING_COMMIT(%rsi), %rcx
	movq RING_DATA(%rsi), %rdi
	addq %rsi, %rdi
	movl %ecx, %edx
	andl RING_PAGE_MASK(%rsi), %edx
	subq (%rdi,%rdx), %rax /* time since the page began */
	movl %ecx, %edx
	andl RING_OFFSET_MASK(%rsi), %edx
	cmpl RING_CALL_OFFSET_MAX(%rsi), %edx
	ja \slow
	movq %rcx, %rdx
	shrq $RING_POS_BITS, %rdx
	subq %rdx, %rax /* time since the last record; negative is large */
	cmpq $0x07ffffff, %rax
	ja \slow
	movl %ecx, %edx
	andl $RING_POS_MASK, %edx
	addq %rdx, %rdi
	movq %rax, %rdx
	shlq $RING_POS_BITS, %rdx
	addq %rdx, %rcx
	jc \slow /* more than 36 bits since the page began */
	addq $RING_CALL_BYTES, %rcx
	shll $5, %eax
	orl $RING_CALL_WORDS, %eax
	RING_POINT 2
	movl %eax, (%rdi)
	RING_POINT 3
	\payload
	RING_POINT 4
	/* Readers, and whoever writes next on this CPU, see the record from here on. */
	movq %rcx, RING_COMMIT(%rsi)
.Lring_end_\tag:
	RING_POINT 5
.endm

/* clang-format on */
#endif
#endif
