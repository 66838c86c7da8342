/* SPDX-License-Identifier: MIT */
/*
 * Nothing is copied blindly: an instruction that refers to its own place (a branch, an operand
 * relative to %rip) is written anew for the other one. A call keeps its return address in the
 * function, so that whoever unwinds the stack never meets the copy.
 */
#include "program/window.h"

#include <Zydis/Zydis.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "program/unwind.h"
#include "program/window_length.h"

#define OP_JMP_NEAR 0xe9u
#define MOVED_MAX   40u /* of an instruction elsewhere, and the jump back */

/* Must stay where it is, for indirect branches to lead to. */
static const uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};

enum kind {
	KIND_PLAIN,
	KIND_RIP,	    /* an operand relative to %rip */
	KIND_JCC,	    /* conditional, short or near */
	KIND_JMP,	    /* direct */
	KIND_LOOP,	    /* loop, jrcxz */
	KIND_CALL,	    /* direct */
	KIND_CALL_INDIRECT, /* through a register or memory */
	KIND_END,	    /* ret, an indirect jump, ud2: what follows is not reached */
	KIND_UNMOVABLE,
	KIND_UNDECODED,
};

struct insn {
	ZydisDecodedInstruction raw;
	const uint8_t *code;
	uint64_t address;
	enum kind kind;
	uint64_t target; /* of a direct branch, or what the operand relative to %rip means */
	size_t length;
};

bool window_supported(void)
{
	return true;
}

static bool is_memory(const ZydisDecodedInstruction *raw)
{
	return raw->attributes & ZYDIS_ATTRIB_HAS_MODRM && raw->raw.modrm.mod != 3;
}

static bool is_rip_relative(const ZydisDecodedInstruction *raw)
{
	return is_memory(raw) && raw->raw.modrm.mod == 0 && raw->raw.modrm.rm == 5;
}

/* The stack pointer as the base of an operand: not the same once something has been pushed. */
static bool uses_stack_pointer(const ZydisDecodedInstruction *raw)
{
	return raw->attributes & ZYDIS_ATTRIB_HAS_MODRM && raw->raw.modrm.rm == 4 &&
	       (raw->raw.modrm.mod == 3 ||
		(raw->attributes & ZYDIS_ATTRIB_HAS_SIB && raw->raw.sib.base == 4));
}

static enum kind classify_branch(const ZydisDecodedInstruction *raw)
{
	bool is_far = raw->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR;
	bool is_direct = raw->raw.imm[0].is_relative;

	if (is_far)
		return KIND_UNMOVABLE;
	switch (raw->meta.category) {
	case ZYDIS_CATEGORY_CALL:
		if (is_direct)
			return KIND_CALL;
		return uses_stack_pointer(raw) ? KIND_UNMOVABLE : KIND_CALL_INDIRECT;
	case ZYDIS_CATEGORY_RET:
		return KIND_END;
	case ZYDIS_CATEGORY_UNCOND_BR:
		return is_direct ? KIND_JMP : KIND_END;
	default:
		if (raw->opcode >= 0xe0 && raw->opcode <= 0xe3 &&
		    raw->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT)
			return KIND_LOOP;
		return (raw->opcode & 0xf0) == 0x70 || (raw->opcode & 0xf0) == 0x80
			       ? KIND_JCC
			       : KIND_UNMOVABLE;
	}
}

static enum kind classify(const ZydisDecodedInstruction *raw)
{
	if (raw->attributes & ZYDIS_ATTRIB_IS_RELATIVE && raw->address_width != 64)
		return KIND_UNMOVABLE;
	switch (raw->mnemonic) {
	case ZYDIS_MNEMONIC_UD0:
	case ZYDIS_MNEMONIC_UD1:
	case ZYDIS_MNEMONIC_UD2:
		return KIND_END;
	case ZYDIS_MNEMONIC_XBEGIN:
	case ZYDIS_MNEMONIC_HLT:
	case ZYDIS_MNEMONIC_IRETQ:
	case ZYDIS_MNEMONIC_IRETD:
		return KIND_UNMOVABLE;
	default:
		break;
	}
	switch (raw->meta.category) {
	case ZYDIS_CATEGORY_CALL:
	case ZYDIS_CATEGORY_RET:
	case ZYDIS_CATEGORY_UNCOND_BR:
	case ZYDIS_CATEGORY_COND_BR:
		return classify_branch(raw);
	case ZYDIS_CATEGORY_INTERRUPT:
	case ZYDIS_CATEGORY_SYSRET:
		return KIND_UNMOVABLE;
	default:
		return raw->attributes & ZYDIS_ATTRIB_IS_RELATIVE ? KIND_RIP : KIND_PLAIN;
	}
}

/* --- what most functions begin with --- */

/* How instructions go on behind their first byte. */
enum form {
	FORM_OTHER,	 /* not known here */
	FORM_PUSH,	 /* the register is in the byte */
	FORM_IMM32,	 /* 32 bits, with REX.W 64 */
	FORM_MODRM,	 /* a register and another one or memory */
	FORM_MODRM_MEM,	 /* a register and memory */
	FORM_GROUP_IMM8, /* arithmetic with 8 bits */
};

static const uint8_t forms[256] = {
	[0x50 ... 0x57] = FORM_PUSH, [0xb8 ... 0xbf] = FORM_IMM32, [0x01] = FORM_MODRM,
	[0x03] = FORM_MODRM,	     [0x09] = FORM_MODRM,	   [0x21] = FORM_MODRM,
	[0x23] = FORM_MODRM,	     [0x29] = FORM_MODRM,	   [0x2b] = FORM_MODRM,
	[0x31] = FORM_MODRM,	     [0x33] = FORM_MODRM,	   [0x39] = FORM_MODRM,
	[0x3b] = FORM_MODRM,	     [0x63] = FORM_MODRM,	   [0x85] = FORM_MODRM,
	[0x89] = FORM_MODRM,	     [0x8b] = FORM_MODRM,	   [0x8d] = FORM_MODRM_MEM,
	[0x83] = FORM_GROUP_IMM8,
};

/* What stands in a ModRM byte. */
#define MOD_DISP8    1u
#define MOD_REGISTER 3u
#define RM_SIB	     4u

/* A register and a register or memory at a register and 8 bits; 0: anything else. */
static size_t quick_modrm(uint8_t modrm, enum form form)
{
	unsigned int mod = modrm >> 6;

	if (mod == MOD_REGISTER && form != FORM_MODRM_MEM)
		return 2;
	return mod == MOD_DISP8 && (modrm & 7u) != RM_SIB && form != FORM_GROUP_IMM8 ? 3 : 0;
}

/*
 * Pushes, moves and arithmetic of registers are most of what functions begin with, and are told by
 * two or three bytes; all else is left to the decoder. Of `raw` only that is set which is looked at
 * in an instruction that is plain and has no operand at the stack pointer. The length, or 0.
 */
static size_t decode_quickly(const uint8_t *code, size_t bytes, ZydisDecodedInstruction *raw)
{
	uint8_t rex =
		bytes >= ZYDIS_MAX_INSTRUCTION_LENGTH && (code[0] & 0xf0) == 0x40 ? code[0] : 0;
	const uint8_t *op = code + (rex ? 1 : 0);
	size_t len = 0;

	if (bytes < ZYDIS_MAX_INSTRUCTION_LENGTH)
		return 0;
	raw->mnemonic = ZYDIS_MNEMONIC_MOV; /* or anything that moves no stack pointer */
	raw->opcode = op[0];
	raw->attributes = 0;
	raw->raw.imm[0].is_relative = false;
	switch ((enum form)forms[op[0]]) {
	case FORM_PUSH:
		raw->mnemonic = ZYDIS_MNEMONIC_PUSH;
		len = 1;
		break;
	case FORM_IMM32:
		len = rex & 8 ? 0 : 5;
		break;
	case FORM_MODRM:
	case FORM_MODRM_MEM:
		len = quick_modrm(op[1], (enum form)forms[op[0]]);
		break;
	case FORM_GROUP_IMM8:
		len = quick_modrm(op[1], FORM_GROUP_IMM8);
		/* Only this one may move the stack pointer. */
		len = len && (op[1] & 7u) != RM_SIB ? len + 1 : 0;
		break;
	case FORM_OTHER:
		break;
	}
	return len ? len + (rex ? 1 : 0) : 0;
}

static size_t decode_fully(const uint8_t *code, size_t bytes, ZydisDecodedInstruction *raw)
{
	ZydisDecoder decoder;

	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	return ZYAN_FAILED(ZydisDecoderDecodeInstruction(&decoder, NULL, code, bytes, raw))
		       ? 0
		       : raw->length;
}

static void decode(const struct window_code *code, uint64_t address, struct insn *ret_insn)
{
	size_t at = (size_t)(address - code->address);
	ZydisDecodedInstruction *raw = &ret_insn->raw;

	ret_insn->kind = KIND_UNDECODED;
	ret_insn->length = 0;
	if (address < code->address || at >= code->bytes)
		return;
	ret_insn->code = code->code + at;
	ret_insn->address = address;
	ret_insn->length = decode_quickly(ret_insn->code, code->bytes - at, raw);
	ret_insn->kind = KIND_PLAIN;
	if (ret_insn->length)
		return;
	ret_insn->length = decode_fully(ret_insn->code, code->bytes - at, raw);
	ret_insn->kind = ret_insn->length ? classify(raw) : KIND_UNDECODED;
	if (!ret_insn->length)
		return;
	if (raw->raw.imm[0].is_relative)
		ret_insn->target = address + raw->length + raw->raw.imm[0].value.u;
	else if (is_rip_relative(raw))
		ret_insn->target = address + raw->length + (uint64_t)raw->raw.disp.value;
}

bool window_is_padding(const struct window_code *code, uint64_t from, uint64_t to)
{
	while (from < to) {
		struct insn insn;

		decode(code, from, &insn);
		if (!insn.length || (insn.raw.mnemonic != ZYDIS_MNEMONIC_NOP &&
				     insn.raw.mnemonic != ZYDIS_MNEMONIC_INT3))
			return false;
		from += insn.length;
	}
	return true;
}

/* The window when the instructions end, at `at`, before there are enough of them. */
static enum program_skip take_padding(const struct window_code *code, uint64_t site, uint64_t at,
				      uint64_t end, uint64_t next)
{
	uint64_t needed = site + WINDOW_JUMP_BYTES;

	if (needed > next || needed - code->address > code->bytes)
		return PROGRAM_SKIP_SHORT;
	/* In the function, what follows a ret is reached by branches, which are looked for. */
	if (at >= needed || end >= needed)
		return PROGRAM_SKIP_NONE;
	return window_is_padding(code, MAX(at, end), needed) ? PROGRAM_SKIP_NONE
							     : PROGRAM_SKIP_SHORT;
}

static enum program_skip find(const struct window_code *code, uint64_t site, uint64_t end,
			      uint64_t next, uint64_t *ret_end)
{
	uint64_t needed = site + WINDOW_JUMP_BYTES, at = site;
	struct insn insn;

	while (at < needed) {
		if (at >= end)
			return PROGRAM_SKIP_SHORT;
		decode(code, at, &insn);
		at += insn.length;
		*ret_end = at;
		switch (insn.kind) {
		case KIND_UNDECODED:
			return PROGRAM_SKIP_UNDECODED;
		case KIND_UNMOVABLE:
			return PROGRAM_SKIP_UNMOVABLE;
		case KIND_CALL:
		case KIND_CALL_INDIRECT:
			return at < needed ? PROGRAM_SKIP_CALL : PROGRAM_SKIP_NONE;
		case KIND_JMP:
		case KIND_END:
			return take_padding(code, site, at, end, next);
		default:
			break;
		}
	}
	return at <= next ? PROGRAM_SKIP_NONE : PROGRAM_SKIP_SHORT;
}

/* How far an instruction moves the stack pointer down, as far as that can be said beforehand. */
static int64_t moves_down(const ZydisDecodedInstruction *raw)
{
	bool of_stack_pointer = raw->raw.modrm.mod == 3 && raw->raw.modrm.rm == 4 &&
				!raw->raw.rex.B && (raw->opcode == 0x81 || raw->opcode == 0x83);

	switch (raw->mnemonic) {
	case ZYDIS_MNEMONIC_PUSH:
	case ZYDIS_MNEMONIC_PUSHFQ:
		return 8;
	case ZYDIS_MNEMONIC_POP:
	case ZYDIS_MNEMONIC_POPFQ:
		return -8;
	case ZYDIS_MNEMONIC_SUB:
		return of_stack_pointer ? raw->raw.imm[0].value.s : 0;
	case ZYDIS_MNEMONIC_ADD:
		return of_stack_pointer ? -raw->raw.imm[0].value.s : 0;
	case ZYDIS_MNEMONIC_LEA:
		return raw->raw.modrm.reg == 4 && !raw->raw.rex.R && uses_stack_pointer(raw)
			       ? -raw->raw.disp.value
			       : 0;
	default:
		return 0;
	}
}

#define HEAD_BYTES 32u

/*
 * Whether the function reads or takes away its own return address before it moves the stack: to
 * return from another place (libffi) or to act on its caller. Only those are decoded in which there
 * is an operand (%rsp).
 */
static bool uses_return_address(const struct window_code *code, uint64_t site, uint64_t end)
{
	const uint8_t *bytes = code->code + (site - code->address);
	uint64_t span =
		MIN(MIN(end, site + HEAD_BYTES) - site, code->bytes - (site - code->address));
	bool found = false;
	struct insn insn;

	if (end <= site || span < 2)
		return false;
	if ((bytes[0] & 0xf8) == 0x58) /* pop */
		return true;
	for (size_t i = 1; i + 1 < span && !found; i++)
		found = (bytes[i] & 0xc7) == 0x04 && bytes[i + 1] == 0x24;
	if (!found)
		return false;
	for (uint64_t at = site; at < site + span; at += insn.length) {
		decode(code, at, &insn);
		if (is_memory(&insn.raw) && insn.raw.raw.modrm.mod == 0 &&
		    uses_stack_pointer(&insn.raw) && insn.raw.raw.sib.index == 4 &&
		    insn.raw.mnemonic != ZYDIS_MNEMONIC_LEA)
			return true;
		if ((insn.kind != KIND_PLAIN && insn.kind != KIND_RIP) || moves_down(&insn.raw))
			return false;
	}
	return false;
}

void window_find(struct program_function *function, const struct window_code *code, uint64_t end,
		 uint64_t next)
{
	uint64_t site = function->address, window_end = site;
	enum program_skip skip;

	if (code->bytes - (site - code->address) >= sizeof(endbr64) &&
	    !memcmp(code->code + (site - code->address), endbr64, sizeof(endbr64)))
		site += sizeof(endbr64);
	skip = find(code, site, end, next, &window_end);
	function->site = (uint8_t)(site - function->address);
	function->window = (uint8_t)(window_end - site);
	if (function->skip == PROGRAM_SKIP_NONE)
		function->skip = (uint8_t)skip;
	if (!function->skip && uses_return_address(code, site, end))
		function->entry_only = true;
}

/* How long the instruction at `from` is, if that is told fast and it ends before `at`; or 0. */
static size_t skip_quickly(const struct window_code *code, uint64_t from, uint64_t at)
{
	uint64_t offset = from - code->address;
	size_t len;

	if (from < code->address || offset + WINDOW_LENGTH_MAX > code->bytes)
		return 0;
	len = window_length(code->code + offset);
	return len <= at - from ? len : 0;
}

bool window_is_branch(const struct window_code *code, uint64_t *start, uint64_t at, uint64_t target)
{
	while (*start <= at) {
		size_t skipped = skip_quickly(code, *start, at);
		struct insn insn;

		*start += skipped;
		if (skipped)
			continue;
		decode(code, *start, &insn);
		if (!insn.length)
			return true;
		/* Prefixes may stand before `at`. */
		if (*start + insn.length > at)
			return insn.raw.raw.imm[0].is_relative && insn.target == target;
		*start += insn.length;
	}
	return true;
}

/* --- writing --- */

struct writer {
	uint8_t *code, *states;
	size_t len;
	uint64_t place; /* of code[0] */
	bool too_far;
	uint32_t pushed; /* bytes from the stack pointer up to the caller's */
	bool has_rbp;	 /* the caller's %rbp lies below the return address */
};

static uint8_t state_of(const struct writer *writer)
{
	uint32_t pushed = writer->pushed < UNWIND_FAR ? writer->pushed & UNWIND_FAR : UNWIND_FAR;

	return (uint8_t)(pushed | (writer->has_rbp ? UNWIND_RBP : 0));
}

static void put(struct writer *writer, const void *bytes, size_t len)
{
	memcpy(writer->code + writer->len, bytes, len);
	memset(writer->states + writer->len, state_of(writer), len);
	writer->len += len;
}

static void put_byte(struct writer *writer, uint8_t byte)
{
	put(writer, &byte, 1);
}

/* 32 bits that mean `target` to an instruction which ends `behind` bytes after them. */
static void put_distance(struct writer *writer, uint64_t target, size_t behind)
{
	int64_t distance = (int64_t)(target - (writer->place + writer->len + 4 + behind));
	uint8_t bytes[4];

	writer->too_far |= distance != (int32_t)distance;
	store_u32(bytes, (uint32_t)distance, false);
	put(writer, bytes, sizeof(bytes));
}

static void put_jump(struct writer *writer, uint64_t target)
{
	put_byte(writer, OP_JMP_NEAR);
	put_distance(writer, target, 0);
}

/* The instruction with its operand relative to %rip meaning the same; `modrm` replaces its byte. */
static void put_rip_relative(struct writer *writer, const struct insn *insn)
{
	size_t at = insn->raw.raw.disp.offset;

	put(writer, insn->code, at);
	put_distance(writer, insn->target, insn->length - at - 4);
	put(writer, insn->code + at + 4, insn->length - at - 4);
}

/* Push the address behind the call, all registers and flags kept. */
static void put_return_address(struct writer *writer, uint64_t address)
{
	put(writer, "\x48\x8d\x64\x24\xf8", 5); /* lea -8(%rsp),%rsp */
	writer->pushed += 8;
	put(writer, "\x50", 1); /* push %rax */
	writer->pushed += 8;
	put(writer, "\x48\x8d\x05", 3); /* lea address(%rip),%rax */
	put_distance(writer, address, 0);
	put(writer, "\x48\x89\x44\x24\x08", 5); /* mov %rax,8(%rsp) */
	put(writer, "\x58", 1);			/* pop %rax */
	writer->pushed -= 8;
}

static void put_call(struct writer *writer, const struct insn *insn)
{
	size_t modrm = insn->raw.raw.modrm.offset, from = writer->len;

	put_return_address(writer, insn->address + insn->length);
	if (insn->kind == KIND_CALL) {
		put_jump(writer, insn->target);
		return;
	}
	from = writer->len;
	if (is_rip_relative(&insn->raw))
		put_rip_relative(writer, insn);
	else
		put(writer, insn->code, insn->length);
	/* ff /2 is call, ff /4 jmp */
	writer->code[from + modrm] = (uint8_t)((insn->code[modrm] & ~0x38u) | 4u << 3);
}

static void put_insn(struct writer *writer, const struct insn *insn)
{
	switch (insn->kind) {
	case KIND_RIP:
		put_rip_relative(writer, insn);
		return;
	case KIND_JCC:
		put_byte(writer, 0x0f);
		put_byte(writer, 0x80u | (insn->raw.opcode & 0x0f));
		put_distance(writer, insn->target, 0);
		return;
	case KIND_LOOP:
		/* To the second jump when it is taken, over it when not. */
		put(writer, insn->code, insn->length - 1);
		put_byte(writer, 2);
		put(writer, "\xeb\x05", 2);
		put_jump(writer, insn->target);
		return;
	case KIND_JMP:
		put_jump(writer, insn->target);
		return;
	case KIND_CALL:
	case KIND_CALL_INDIRECT:
		put_call(writer, insn);
		return;
	case KIND_END:
		if (is_rip_relative(&insn->raw)) {
			put_rip_relative(writer, insn);
			return;
		}
		break;
	default:
		break;
	}
	put(writer, insn->code, insn->length);
}

static void follow_stack(struct writer *writer, const struct insn *insn)
{
	static const uint8_t push_rbp = 0x55;

	writer->has_rbp |= writer->pushed == 8 && insn->code[0] == push_rbp;
	writer->pushed += (uint32_t)moves_down(&insn->raw);
	writer->has_rbp &= writer->pushed > 8;
}

/* To where the function goes on. */
static void put_way_back(struct writer *writer, uint64_t target)
{
	size_t from = writer->len;

	put_jump(writer, target);
	if (writer->pushed >= UNWIND_FAR)
		store_u32(writer->states + from + 1, writer->pushed, false);
}

static size_t move(const struct window_code *code, uint64_t at, uint64_t end, bool last,
		   struct writer *writer)
{
	bool falls_through = true;

	while (at < end) {
		struct insn insn;

		decode(code, at, &insn);
		/* If it was changed since it was judged, by who may write to the file. */
		writer->too_far |= !insn.length || writer->len + MOVED_MAX > WINDOW_DISPLACED_BYTES;
		if (writer->too_far)
			return writer->len;
		put_insn(writer, &insn);
		follow_stack(writer, &insn);
		at += insn.length;
		falls_through =
			insn.kind <= KIND_RIP || insn.kind == KIND_JCC || insn.kind == KIND_LOOP;
	}
	if (falls_through && last)
		put_way_back(writer, end);
	return writer->len;
}

size_t window_displace(const struct window_code *code, const struct program_function *function,
		       uint64_t place, struct window_displaced *ret_displaced)
{
	uint64_t site = function->address + function->site;
	struct writer writer = {
		.code = ret_displaced->code,
		.states = ret_displaced->states,
		.place = place,
		.pushed = 8,
	};
	size_t len = move(code, site, site + function->window, true, &writer);

	return writer.too_far ? 0 : len;
}

bool window_move(const struct window_code *code, uint64_t from, uint64_t to, bool last,
		 uint64_t place, struct window_displaced *ret_displaced, size_t *ret_bytes)
{
	struct writer writer = {
		.code = ret_displaced->code,
		.states = ret_displaced->states,
		.place = place,
		.pushed = 8,
	};

	*ret_bytes = move(code, from, to, last, &writer);
	return !writer.too_far;
}

void window_look(const struct window_code *code, uint64_t address, struct window_insn *ret_insn)
{
	struct insn insn;

	decode(code, address, &insn);
	*ret_insn = (struct window_insn){.length = insn.length};
	switch (insn.kind) {
	case KIND_CALL:
	case KIND_CALL_INDIRECT:
		ret_insn->kind = WINDOW_INSN_CALL;
		break;
	case KIND_JMP:
		ret_insn->kind = WINDOW_INSN_JUMP;
		break;
	case KIND_END:
		ret_insn->kind = insn.raw.meta.category == ZYDIS_CATEGORY_UNCOND_BR
					 ? WINDOW_INSN_JUMP_FAR
					 : WINDOW_INSN_JUMP;
		break;
	case KIND_UNMOVABLE:
		ret_insn->kind = WINDOW_INSN_UNMOVABLE;
		break;
	case KIND_UNDECODED:
		ret_insn->kind = WINDOW_INSN_UNDECODED;
		break;
	case KIND_RIP:
		ret_insn->refers = insn.target;
		break;
	default:
		break;
	}
	/* It is there to be led to, by whom nobody knows. */
	if (insn.length == sizeof(endbr64) && !memcmp(insn.code, endbr64, sizeof(endbr64)))
		ret_insn->kind = WINDOW_INSN_UNMOVABLE;
}
