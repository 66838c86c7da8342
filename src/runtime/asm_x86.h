/* SPDX-License-Identifier: MIT */
/* Macros of the runtime's assembly. */
/* clang-format off */
#ifndef SONDE_RUNTIME_ASM_X86_H
#define SONDE_RUNTIME_ASM_X86_H

/* Unwinders are told where things are at each instruction: signals come anywhere. */
.macro PUSH reg
	pushq \reg
	.cfi_adjust_cfa_offset 8
.endm

.macro POP reg
	popq \reg
	.cfi_adjust_cfa_offset -8
.endm

.macro FUNCTION name
	.globl \name
	.hidden \name
	.type \name, @function
	.p2align 5
\name:
	.cfi_startproc
.endm

.macro END name
	.cfi_endproc
	.size \name, . - \name
.endm

#endif
