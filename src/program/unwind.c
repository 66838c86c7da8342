/* SPDX-License-Identifier: MIT */
/*
 * From where a function returns to (PROGRAM_STUB_EXIT) the caller's stack pointer is the stub's
 * own, and the return address is in the shadow slot. Unwinders tell frames apart by their canonical
 * address (CFA), and the function's own frame ends at the same place: hence the odd one there. Up
 * to the call, and in displaced code, a stub's frame is one as any function has.
 */
#include "program/unwind.h"

#include <stdbool.h>
#include <string.h>

#include "base/bytes.h"

#define RBP 6
#define RSP 7
#define RIP 16

/* Of DWARF: call frame instructions, and operations of expressions. */
enum {
	CFA_DEF_CFA_EXPRESSION = 0x0f,
	CFA_EXPRESSION = 0x10,
	CFA_VAL_EXPRESSION = 0x16,
	OP_DEREF = 0x06,
	OP_CONST1U = 0x08,
	OP_CONST8U = 0x0e,
	OP_DUP = 0x12,
	OP_DROP = 0x13,
	OP_SWAP = 0x16,
	OP_AND = 0x1a,
	OP_MINUS = 0x1c,
	OP_MUL = 0x1e,
	OP_PLUS = 0x22,
	OP_SHR = 0x25,
	OP_BRA = 0x28,
	OP_NE = 0x2e,
	OP_SKIP = 0x2f,
	OP_LIT = 0x30,	/* + the number */
	OP_BREG = 0x70, /* + the register */
	OP_DEREF_SIZE = 0x94,
};

void unwind_put_head(uint8_t *states, bool only)
{
	memset(states, 8, PROGRAM_STUB_ENTERED - 6);
	memset(states + PROGRAM_STUB_ENTERED - 6, 16, PROGRAM_STUB_ONLY - PROGRAM_STUB_ENTERED + 6);
	if (only)
		return;
	memset(states + PROGRAM_STUB_ONLY, UNWIND_ODD | UNWIND_SHADOW,
	       PROGRAM_STUB_EXIT + 5 - PROGRAM_STUB_ONLY);
	memset(states + PROGRAM_STUB_EXIT + 5, 8 | UNWIND_SHADOW,
	       PROGRAM_STUB_DISPLACED - PROGRAM_STUB_EXIT - 5);
}

void unwind_put_hit(uint8_t *states)
{
	memset(states, 8, 5);
	memset(states + 5, PROGRAM_RED_ZONE + 8, 5);
	memset(states + 10, PROGRAM_RED_ZONE + 16, PROGRAM_PROBE_CALL_BYTES - 10);
}

void unwind_put_return(uint8_t *states)
{
	memset(states, 8, PROGRAM_RETURN_EXIT - 5);
	memset(states + PROGRAM_RETURN_EXIT - 5, UNWIND_ODD | UNWIND_SHADOW, 10);
	memset(states + PROGRAM_RETURN_EXIT + 5, 8 | UNWIND_SHADOW,
	       PROGRAM_RETURN_BYTES - PROGRAM_RETURN_EXIT - 5);
}

/* --- expressions --- */

struct bytes {
	uint8_t at[UNWIND_FRAMES_BYTES];
	size_t len;
};

static void put(struct bytes *bytes, uint8_t byte)
{
	bytes->at[bytes->len++] = byte;
}

static void put_all(struct bytes *bytes, const uint8_t *from, size_t len)
{
	memcpy(bytes->at + bytes->len, from, len);
	bytes->len += len;
}
#define PUT(bytes, ...)                                                                            \
	put_all(bytes, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void put_leb(struct bytes *bytes, uint64_t value)
{
	/* A last byte below 0x40: the same number, signed or not. */
	for (; value >= 0x40; value >>= 7)
		put(bytes, (uint8_t)(0x80 | (value & 0x7f)));
	put(bytes, (uint8_t)value);
}

/* What the table says, `beyond` bytes behind the byte of this instruction. */
static void put_lookup(struct bytes *bytes, size_t table, size_t beyond, uint8_t size)
{
	put(bytes, OP_BREG + RIP);
	put_leb(bytes, table + beyond);
	PUT(bytes, OP_DEREF_SIZE, size);
}

static void put_rule(struct bytes *bytes, uint8_t kind, int reg, const struct bytes *expression)
{
	put(bytes, kind);
	if (kind != CFA_DEF_CFA_EXPRESSION)
		put(bytes, (uint8_t)reg);
	put_leb(bytes, expression->len);
	put_all(bytes, expression->at, expression->len);
}

static void put_cfa(struct bytes *bytes, size_t table)
{
	struct bytes expression = {.len = 0}, far = {.len = 0};

	put(&far, OP_DROP);
	put_lookup(&far, table, 1, 4);
	put_lookup(&expression, table, 0, 1);
	PUT(&expression, OP_CONST1U, UNWIND_FAR | UNWIND_ODD, OP_AND, OP_DUP, OP_CONST1U,
	    UNWIND_FAR, OP_NE, OP_BRA, (uint8_t)far.len, 0);
	put_all(&expression, far.at, far.len);
	PUT(&expression, OP_BREG + RSP, 0, OP_PLUS);
	put_rule(bytes, CFA_DEF_CFA_EXPRESSION, 0, &expression);
}

/* The others find the CFA on the stack of the expression. */
static void put_return_address(struct bytes *bytes, size_t table)
{
	struct bytes expression = {.len = 0};
	uint8_t shadow[8];

	store_u64(shadow, PROGRAM_SHADOW, false);
	PUT(&expression, OP_LIT + 8, OP_MINUS);
	put_lookup(&expression, table, 0, 1);
	PUT(&expression, OP_DUP, OP_LIT + UNWIND_ODD, OP_AND, OP_SWAP, OP_LIT + 1, OP_SHR,
	    OP_LIT + 1, OP_AND, OP_CONST8U);
	put_all(&expression, shadow, sizeof(shadow));
	PUT(&expression, OP_MUL, OP_PLUS, OP_MINUS);
	put_rule(bytes, CFA_EXPRESSION, RIP, &expression);
}

static void put_rsp(struct bytes *bytes, size_t table)
{
	struct bytes expression = {.len = 0};

	put_lookup(&expression, table, 0, 1);
	PUT(&expression, OP_LIT + UNWIND_ODD, OP_AND, OP_MINUS);
	put_rule(bytes, CFA_VAL_EXPRESSION, RSP, &expression);
}

static void put_rbp(struct bytes *bytes, size_t table)
{
	struct bytes expression = {.len = 0};

	put_lookup(&expression, table, 0, 1);
	PUT(&expression, OP_LIT + UNWIND_RBP, OP_AND, OP_BRA, 6, 0);
	PUT(&expression, OP_DROP, OP_BREG + RBP, 0, OP_SKIP, 3, 0);
	PUT(&expression, OP_LIT + 16, OP_MINUS, OP_DEREF);
	put_rule(bytes, CFA_VAL_EXPRESSION, RBP, &expression);
}

size_t unwind_put_frames(uint8_t frames[UNWIND_FRAMES_BYTES], size_t len)
{
	static const uint8_t head[] = {1, 'z', 'R', 0, 1, 0x78, RIP, 1, 0x1b};
	static const uint8_t hdr[] = {1, 0x1b, 0x03, 0x3b};
	uint8_t *cie = frames + UNWIND_HDR_BYTES, *fde;
	struct bytes rules = {.len = 0};
	size_t cie_len, fde_at;

	memset(frames, 0, UNWIND_FRAMES_BYTES);
	put_cfa(&rules, len);
	put_return_address(&rules, len);
	put_rsp(&rules, len);
	put_rbp(&rules, len);
	cie_len = (4 + sizeof(head) + rules.len + 7) / 8 * 8 + 4;
	store_u32(cie, (uint32_t)cie_len, false);
	memcpy(cie + 8, head, sizeof(head));
	memcpy(cie + 8 + sizeof(head), rules.at, rules.len);
	fde_at = UNWIND_HDR_BYTES + 4 + cie_len;
	fde = frames + fde_at;
	store_u32(fde, 20, false);
	store_u32(fde + 4, (uint32_t)(fde_at + 4 - UNWIND_HDR_BYTES), false);
	store_u32(fde + 8, (uint32_t)(0 - (2 * len + fde_at + 8)), false);
	store_u32(fde + 12, (uint32_t)len, false);
	memcpy(frames, hdr, sizeof(hdr));
	store_u32(frames + 4, UNWIND_HDR_BYTES - 4, false);
	store_u32(frames + 8, 1, false);
	store_u32(frames + 12, (uint32_t)(0 - 2 * len), false);
	store_u32(frames + 16, (uint32_t)fde_at, false);
	return fde_at + 24 + 4;
}
