/* SPDX-License-Identifier: MIT */
/*
 * Whole functions are decoded only to learn where their instructions begin, which for most of them
 * is a matter of two tables: of the opcodes that compilers use, and of those behind 0f. What is not
 * here, or could be invalid, is left to the decoder, with which window_test.c compares all of it.
 */
#include "program/window_length.h"

#include <stdbool.h>

#define MODRM 1u /* a byte that says which operands, and what that one brings with it */
#define IMM8  2u
#define IMM32 4u
/* The prefixes that it may have. */
#define NONE	  0x10u
#define P66	  0x20u
#define PF3	  0x40u
#define PF2	  0x80u
#define WIDTHS	  (NONE | P66) /* operands of 16 bits, or of packed doubles */
#define SSE	  (NONE | P66 | PF3 | PF2)

#define OP_ESCAPE 0x0fu
#define REX_W	  8u

/* add, or, adc, sbb, and, sub, xor, cmp: eight opcodes each. */
#define ARITHMETIC(op)                                                                             \
	[(op)...(op) + 3] = MODRM | WIDTHS, [(op) + 4] = IMM8 | NONE, [(op) + 5] = IMM32 | NONE

static const uint8_t opcodes[256] = {
	ARITHMETIC(0x00),
	ARITHMETIC(0x08),
	ARITHMETIC(0x10),
	ARITHMETIC(0x18),
	ARITHMETIC(0x20),
	ARITHMETIC(0x28),
	ARITHMETIC(0x30),
	ARITHMETIC(0x38),
	[0x50 ... 0x5f] = NONE,		       /* push, pop */
	[0x63] = MODRM | WIDTHS,	       /* movslq */
	[0x68] = IMM32 | NONE,		       /* push */
	[0x69] = MODRM | IMM32 | NONE,	       /* imul */
	[0x6a] = IMM8 | NONE,		       /* push */
	[0x6b] = MODRM | IMM8 | WIDTHS,	       /* imul */
	[0x70 ... 0x7f] = IMM8 | NONE,	       /* jcc */
	[0x80] = MODRM | IMM8 | NONE,	       /* arithmetic */
	[0x81] = MODRM | IMM32 | NONE,	       /* arithmetic */
	[0x83] = MODRM | IMM8 | WIDTHS,	       /* arithmetic */
	[0x84 ... 0x8b] = MODRM | WIDTHS,      /* test, xchg, mov */
	[0x8d] = MODRM | WIDTHS,	       /* lea */
	[0x90 ... 0x97] = NONE,		       /* nop, xchg */
	[0x98 ... 0x99] = WIDTHS,	       /* cltq, cltd */
	[0xa8] = IMM8 | NONE,		       /* test */
	[0xa9] = IMM32 | NONE,		       /* test */
	[0xb0 ... 0xb7] = IMM8 | NONE,	       /* mov */
	[0xb8 ... 0xbf] = IMM32 | NONE,	       /* mov, of 64 bits with REX.W */
	[0xc0 ... 0xc1] = MODRM | IMM8 | NONE, /* shifts */
	[0xc3] = NONE,			       /* ret */
	[0xc6] = MODRM | IMM8 | NONE,	       /* mov */
	[0xc7] = MODRM | IMM32 | NONE,	       /* mov */
	[0xc9] = NONE,			       /* leave */
	[0xcc] = NONE,			       /* int3 */
	[0xd0 ... 0xd3] = MODRM | NONE,	       /* shifts */
	[0xe8 ... 0xe9] = IMM32 | NONE,	       /* call, jmp */
	[0xeb] = IMM8 | NONE,		       /* jmp */
	[0xf6 ... 0xf7] = MODRM | NONE,	       /* test, not, neg, mul, div */
	[0xfe ... 0xff] = MODRM | NONE,	       /* inc, dec, call, jmp, push */
};

static const uint8_t escaped[256] = {
	[0x0b] = NONE,				    /* ud2 */
	[0x10 ... 0x11] = MODRM | SSE,		    /* movups and its kin */
	[0x14 ... 0x15] = MODRM | WIDTHS,	    /* unpcklps */
	[0x1f] = MODRM | WIDTHS,		    /* nop */
	[0x28 ... 0x29] = MODRM | WIDTHS,	    /* movaps */
	[0x2a] = MODRM | PF3 | PF2,		    /* cvtsi2sd */
	[0x2c ... 0x2d] = MODRM | PF3 | PF2,	    /* cvttsd2si */
	[0x2e ... 0x2f] = MODRM | WIDTHS,	    /* ucomisd */
	[0x40 ... 0x4f] = MODRM | WIDTHS,	    /* cmov */
	[0x51] = MODRM | SSE,			    /* sqrtsd */
	[0x54 ... 0x57] = MODRM | WIDTHS,	    /* andps, xorps */
	[0x58 ... 0x5a] = MODRM | SSE,		    /* addsd, mulsd, cvtsd2ss */
	[0x5c ... 0x5f] = MODRM | SSE,		    /* subsd, divsd */
	[0x60 ... 0x6d] = MODRM | P66,		    /* punpcklqdq and its kin */
	[0x6e] = MODRM | P66,			    /* movq */
	[0x6f] = MODRM | P66 | PF3,		    /* movdqa */
	[0x70] = MODRM | IMM8 | P66 | PF3 | PF2,    /* pshufd */
	[0x74 ... 0x76] = MODRM | P66,		    /* pcmpeqd */
	[0x7e] = MODRM | P66 | PF3,		    /* movq */
	[0x7f] = MODRM | P66 | PF3,		    /* movdqa */
	[0x80 ... 0x8f] = IMM32 | NONE,		    /* jcc */
	[0x90 ... 0x9f] = MODRM | NONE,		    /* setcc */
	[0xa3] = MODRM | WIDTHS,		    /* bt */
	[0xa4] = MODRM | IMM8 | NONE,		    /* shld */
	[0xac] = MODRM | IMM8 | NONE,		    /* shrd */
	[0xaf] = MODRM | WIDTHS,		    /* imul */
	[0xb6 ... 0xb7] = MODRM | WIDTHS,	    /* movzbl */
	[0xbc ... 0xbd] = MODRM | NONE | P66 | PF3, /* bsf, tzcnt */
	[0xbe ... 0xbf] = MODRM | WIDTHS,	    /* movsbl */
	[0xc6] = MODRM | IMM8 | WIDTHS,		    /* shufps */
	[0xc8 ... 0xcf] = NONE,			    /* bswap */
	[0xd4] = MODRM | P66,			    /* paddq */
	[0xd6] = MODRM | P66,			    /* movq */
	[0xdb] = MODRM | P66,			    /* pand */
	[0xeb] = MODRM | P66,			    /* por */
	[0xef] = MODRM | P66,			    /* pxor */
	[0xfa ... 0xfe] = MODRM | P66,		    /* psubd, paddd */
};

static unsigned int prefix_of(uint8_t byte)
{
	return byte == 0x66 ? P66 : byte == 0xf3 ? PF3 : byte == 0xf2 ? PF2 : NONE;
}

/* The ModRM byte and what follows it for the address in memory. */
static size_t modrm_length(const uint8_t *modrm)
{
	static const uint8_t displacements[4] = {0, 1, 4, 0};
	unsigned int mod = modrm[0] >> 6, base = modrm[0] & 7u;
	size_t len = 1u + displacements[mod];

	if (mod == 3)
		return 1;
	if (base == 4) {
		len++;
		base = modrm[1] & 7u;
	}
	return len + (mod == 0 && base == 5 ? 4 : 0);
}

/* Opcodes of which some bits of ModRM mean another instruction, or none. */
static bool is_known(uint8_t opcode, bool is_escaped, uint8_t modrm)
{
	unsigned int reg = modrm >> 3 & 7u;

	if (is_escaped)
		return opcode != 0x1f || reg == 0;
	switch (opcode) {
	case 0x8d:
		return modrm >> 6 != 3;
	case 0xc6:
	case 0xc7:
		return reg == 0;
	case 0xf6:
	case 0xf7:
		return reg > 1;
	case 0xfe:
		return reg < 2;
	case 0xff:
		return reg < 3 || reg == 4 || reg == 6;
	default:
		return true;
	}
}

size_t window_length(const uint8_t *code)
{
	const uint8_t *at = code;
	unsigned int prefix = prefix_of(*at), rex = 0, shape;
	bool is_escaped;
	size_t len;

	at += prefix != NONE;
	if ((*at & 0xf0) == 0x40)
		rex = *at++;
	is_escaped = *at == OP_ESCAPE;
	at += is_escaped;
	shape = is_escaped ? escaped[*at] : opcodes[*at];
	if (!(shape & prefix) || (shape & MODRM && !is_known(*at, is_escaped, at[1])))
		return 0;
	len = (size_t)(at + 1 - code);
	if (shape & MODRM)
		len += modrm_length(at + 1);
	if (shape & IMM8)
		len += 1;
	if (shape & IMM32)
		len += !is_escaped && (*at & 0xf8) == 0xb8 && rex & REX_W ? 8 : 4;
	return len;
}
