/* SPDX-License-Identifier: MIT */
/* What is displaced, against the original: both are decoded in full, and must mean the same. */
#include <Zydis/Zydis.h>
#include <dlfcn.h>

#include "base/mem.h"
#include "base/test.h"
#include "program/unwind.h"
#include "program/window.h"
#include "program/window_length.h"

#define PLACE_DISTANCE (48u << 20)
#define ADDRESS	       0x10000u

struct decoded {
	ZydisDecodedInstruction insn;
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	uint64_t address;
	bool has_target;
	uint64_t target;
};

static bool decode(const uint8_t *code, size_t len, uint64_t address, struct decoded *ret)
{
	ZydisDecoder decoder;

	memset(ret, 0, sizeof(*ret));
	ret->address = address;
	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	if (ZYAN_FAILED(ZydisDecoderDecodeFull(&decoder, code, len, &ret->insn, ret->operands)))
		return false;
	for (int i = 0; i < ret->insn.operand_count && !ret->has_target; i++) {
		const ZydisDecodedOperand *operand = &ret->operands[i];

		if (operand->type == ZYDIS_OPERAND_TYPE_IMMEDIATE
			    ? operand->imm.is_relative
			    : operand->type == ZYDIS_OPERAND_TYPE_MEMORY &&
				      operand->mem.base == ZYDIS_REGISTER_RIP)
			ret->has_target = ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(
				&ret->insn, operand, address, &ret->target));
	}
	return true;
}

static bool same_operand(const ZydisDecodedOperand *a, const ZydisDecodedOperand *b)
{
	if (a->type != b->type)
		return false;
	if (a->type == ZYDIS_OPERAND_TYPE_REGISTER)
		return a->reg.value == b->reg.value;
	if (a->type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
		return a->imm.is_relative || a->imm.value.u == b->imm.value.u;
	if (a->type != ZYDIS_OPERAND_TYPE_MEMORY)
		return true;
	return a->mem.base == b->mem.base && a->mem.index == b->mem.index &&
	       a->mem.scale == b->mem.scale && a->mem.segment == b->mem.segment &&
	       (a->mem.base == ZYDIS_REGISTER_RIP || a->mem.disp.value == b->mem.disp.value);
}

static bool same_meaning(const struct decoded *a, const struct decoded *b)
{
	if (a->insn.mnemonic != b->insn.mnemonic || a->has_target != b->has_target ||
	    (a->has_target && a->target != b->target) ||
	    a->insn.operand_count != b->insn.operand_count)
		return false;
	for (int i = 0; i < a->insn.operand_count; i++) {
		if (!same_operand(&a->operands[i], &b->operands[i]))
			return false;
	}
	return true;
}

/* A displaced call: the return address is pushed, then a jump to where the call goes. */
static const char *check_call(const struct decoded *call, const uint8_t *code, size_t len,
			      uint64_t place, size_t *at)
{
	struct decoded now;

	if (len - *at < 20 || memcmp(code + *at, "\x48\x8d\x64\x24\xf8\x50\x48\x8d\x05", 9) != 0 ||
	    memcmp(code + *at + 13, "\x48\x89\x44\x24\x08\x58", 6) != 0)
		return "the call does not push what it should";
	if (!decode(code + *at + 6, 7, place + *at + 6, &now) ||
	    now.target != call->address + call->insn.length)
		return "the return address is another";
	*at += 19;
	if (!decode(code + *at, len - *at, place + *at, &now) ||
	    now.insn.mnemonic != ZYDIS_MNEMONIC_JMP || now.has_target != call->has_target ||
	    now.target != call->target || !same_operand(&call->operands[0], &now.operands[0]))
		return "the call goes elsewhere";
	*at += now.insn.length;
	return NULL;
}

static const char *check_insn(const struct decoded *old, const uint8_t *code, size_t len,
			      uint64_t place, size_t *at)
{
	bool is_loop = old->insn.meta.category == ZYDIS_CATEGORY_COND_BR &&
		       (old->insn.opcode & 0xfc) == 0xe0;
	struct decoded now;

	if (old->insn.meta.category == ZYDIS_CATEGORY_CALL)
		return check_call(old, code, len, place, at);
	if (!decode(code + *at, len - *at, place + *at, &now))
		return "it cannot be decoded";
	*at += now.insn.length;
	if (is_loop) {
		if (now.insn.mnemonic != old->insn.mnemonic || now.target != place + *at + 2)
			return "the loop goes elsewhere";
		*at += 2;
		if (!decode(code + *at, len - *at, place + *at, &now) ||
		    now.insn.mnemonic != ZYDIS_MNEMONIC_JMP || now.target != old->target)
			return "the loop goes elsewhere at last";
		*at += now.insn.length;
		return NULL;
	}
	return same_meaning(old, &now) ? NULL : "it means something else";
}

/* NULL when the displaced window means what the window means. */
static const char *check_window(const struct window_code *window,
				const struct program_function *function, uint64_t place)
{
	uint64_t from = function->address + function->site, end = from + function->window;
	struct window_displaced displaced;
	size_t len = window_displace(window, function, place, &displaced), at = 0;
	struct decoded old = {.address = 0}, now;
	const char *wrong;
	bool ends = false;

	if (!len || len > sizeof(displaced.code))
		return "it does not fit";
	for (; from < end; from += old.insn.length) {
		size_t offset = (size_t)(from - window->address);

		if (ends || !decode(window->code + offset, window->bytes - offset, from, &old))
			return "the window cannot be decoded";
		wrong = check_insn(&old, displaced.code, len, place, &at);
		if (wrong)
			return wrong;
		ends = old.insn.meta.category == ZYDIS_CATEGORY_CALL ||
		       old.insn.meta.category == ZYDIS_CATEGORY_RET ||
		       old.insn.meta.category == ZYDIS_CATEGORY_UNCOND_BR ||
		       old.insn.mnemonic == ZYDIS_MNEMONIC_UD2;
	}
	if (from != end)
		return "the window ends inside an instruction";
	if (!ends) {
		if (!decode(displaced.code + at, len - at, place + at, &now) ||
		    now.insn.mnemonic != ZYDIS_MNEMONIC_JMP || now.target != end)
			return "it does not go on behind the window";
		at += now.insn.length;
	}
	return at == len ? NULL : "there is something behind it";
}

static void check_module(const char *path)
{
	struct program_elf *elf;
	struct err err;
	size_t nr = 0;

	CHECK_EQ(program_elf_open(&elf, path, &err), 0);
	for (size_t i = 0; i < elf->nr_functions; i++) {
		const struct program_function *function = &elf->functions[i];

		for (size_t j = 0; j < elf->nr_texts && !function->skip; j++) {
			const struct program_text *text = &elf->texts[j];
			const struct window_code code = {text->code, (size_t)text->bytes,
							 text->address};
			const char *wrong;

			if (function->address - text->address >= text->bytes)
				continue;
			nr++;
			wrong = check_window(&code, function, elf->high + PLACE_DISTANCE + 128 * i);
			if (wrong)
				printf("# %s: %s\n", program_name(elf, function->name), wrong);
			CHECK(!wrong);
		}
	}
	printf("# %s: %zu windows\n", path, nr);
	CHECK(nr > 100);
	program_elf_free(elf);
}

TEST(real_windows)
{
	Dl_info info;

	check_module("/proc/self/exe");
	CHECK(dladdr((void *)(uintptr_t)dlsym(RTLD_DEFAULT, "malloc"), &info));
	check_module(info.dli_fname);
	CHECK(dladdr((void *)(uintptr_t)ZydisDecoderInit, &info));
	check_module(info.dli_fname);
}

/* Code that compilers seldom put first. */
static const struct {
	const char *what;
	size_t len;
	const char *code;
	enum program_skip skip;
	size_t window;
} windows[] = {
	{"push, mov, push", 6, "\x55\x48\x89\xe5\x41\x57", PROGRAM_SKIP_NONE, 6},
	{"lea of %rip", 7, "\x48\x8d\x05\x10\x20\x30\x00", PROGRAM_SKIP_NONE, 7},
	{"cmpl $1, of %rip", 7, "\x83\x3d\x10\x20\x30\x00\x01", PROGRAM_SKIP_NONE, 7},
	{"movl $5, of %rip", 10, "\xc7\x05\x10\x20\x30\x00\x05\x00\x00\x00", PROGRAM_SKIP_NONE, 10},
	{"vmovdqa of %rip", 8, "\xc5\xf9\x6f\x05\x10\x20\x30\x00", PROGRAM_SKIP_NONE, 8},
	{"evex of %rip", 10, "\x62\xf1\x7c\x48\x28\x05\x10\x20\x30\x00", PROGRAM_SKIP_NONE, 10},
	{"je short", 5, "\x48\x85\xff\x74\x40", PROGRAM_SKIP_NONE, 5},
	{"jg near", 6, "\x0f\x8f\x00\x01\x00\x00", PROGRAM_SKIP_NONE, 6},
	{"jrcxz", 5, "\x48\x89\xf9\xe3\x40", PROGRAM_SKIP_NONE, 5},
	{"loop", 5, "\x48\x89\xf9\xe2\x40", PROGRAM_SKIP_NONE, 5},
	{"jecxz", 6, "\x48\x89\xf9\x67\xe3\x40", PROGRAM_SKIP_UNMOVABLE, 0},
	{"jmp short", 5, "\x31\xc0\x90\xeb\x40", PROGRAM_SKIP_NONE, 5},
	{"jmp *of %rip", 6, "\xff\x25\x10\x20\x30\x00", PROGRAM_SKIP_NONE, 6},
	{"notrack jmp *%rax", 6, "\x48\x89\xf8\x3e\xff\xe0", PROGRAM_SKIP_NONE, 6},
	{"call", 5, "\xe8\x00\x01\x00\x00", PROGRAM_SKIP_NONE, 5},
	{"call behind sub", 9, "\x48\x83\xec\x08\xe8\x00\x01\x00\x00", PROGRAM_SKIP_NONE, 9},
	{"call *of %rip", 6, "\xff\x15\x10\x20\x30\x00", PROGRAM_SKIP_NONE, 6},
	{"call *%rax", 6, "\x48\x83\xec\x08\xff\xd0", PROGRAM_SKIP_NONE, 6},
	{"call *%r11", 7, "\x48\x83\xec\x08\x41\xff\xd3", PROGRAM_SKIP_NONE, 7},
	{"call *16(%rdi,%rsi,8)", 6, "\x48\x90\xff\x54\xf7\x10", PROGRAM_SKIP_NONE, 6},
	{"call *8(%rsp)", 6, "\x48\x90\xff\x54\x24\x08", PROGRAM_SKIP_UNMOVABLE, 0},
	{"call *%rax at once", 5, "\xff\xd0\x90\x90\x90", PROGRAM_SKIP_CALL, 0},
	{"rep ret, padding", 6, "\xf3\xc3\x66\x90\x66\x90", PROGRAM_SKIP_NONE, 2},
	{"ret $8", 6, "\xc2\x08\x00\x90\x90\x90", PROGRAM_SKIP_NONE, 3},
	{"ud2", 6, "\x0f\x0b\x90\x90\x90\x90", PROGRAM_SKIP_NONE, 2},
	{"xbegin", 6, "\xc7\xf8\x00\x01\x00\x00", PROGRAM_SKIP_UNMOVABLE, 0},
	{"syscall", 7, "\xb8\x27\x00\x00\x00\x0f\x05", PROGRAM_SKIP_NONE, 5},
	{"int3", 5, "\xcc\x90\x90\x90\x90", PROGRAM_SKIP_UNMOVABLE, 0},
	{"endbr64, then ret", 9, "\xf3\x0f\x1e\xfa\xc3\x90\x90\x90\x90", PROGRAM_SKIP_NONE, 1},
	{"cut off", 3, "\x48\x8d\x05", PROGRAM_SKIP_UNDECODED, 0},
	{"too short", 4, "\x31\xc0\x90\xc3", PROGRAM_SKIP_SHORT, 0},
};

TEST(rare_windows)
{
	for (size_t i = 0; i < ARRAY_SIZE(windows); i++) {
		const struct window_code code = {(const uint8_t *)windows[i].code, windows[i].len,
						 ADDRESS};
		struct program_function function = {.address = ADDRESS};
		const char *wrong = NULL;

		window_find(&function, &code, ADDRESS + windows[i].len, ADDRESS + 64);
		if (function.skip == PROGRAM_SKIP_NONE)
			wrong = check_window(&code, &function, ADDRESS + PLACE_DISTANCE);
		if (wrong || function.skip != windows[i].skip ||
		    (!function.skip && function.window != windows[i].window))
			printf("# %s: %s, %s, window %u\n", windows[i].what,
			       program_skip_text(function.skip), wrong ? wrong : "it is right",
			       function.window);
		CHECK(!wrong);
		CHECK_EQ(function.skip, windows[i].skip);
		CHECK(function.skip || function.window == windows[i].window);
	}
}

static bool goes_on(const ZydisDecodedInstruction *insn)
{
	switch (insn->mnemonic) {
	case ZYDIS_MNEMONIC_IRET:
	case ZYDIS_MNEMONIC_RET:
	case ZYDIS_MNEMONIC_UD0:
	case ZYDIS_MNEMONIC_UD1:
	case ZYDIS_MNEMONIC_UD2:
	case ZYDIS_MNEMONIC_XABORT:
		return false;
	default:
		return insn->meta.branch_type == ZYDIS_BRANCH_TYPE_NONE;
	}
}

/* How long the window is by the decoder alone; 0 where the instructions end before. */
static size_t whole_instructions(const uint8_t *code, size_t len)
{
	struct decoded now;
	size_t at = 0;

	for (; at < WINDOW_JUMP_BYTES; at += now.insn.length) {
		if (!decode(code + at, len - at, ADDRESS + at, &now) || !goes_on(&now.insn))
			return 0;
	}
	return at;
}

/* What is told without the decoder, with each prefix, against it. */
TEST(common_instructions)
{
	uint8_t bytes[40];
	const struct window_code code = {bytes, sizeof(bytes), ADDRESS};
	size_t nr = 0, wrong = 0;

	memset(bytes, 0x90, sizeof(bytes));
	for (unsigned int rex = 0x3f; rex < 0x50; rex++) {
		for (unsigned int i = 0; i < 0x10000; i++) {
			size_t at = rex >= 0x40, expected;
			struct program_function function = {.address = ADDRESS};

			bytes[0] = (uint8_t)rex;
			bytes[at] = (uint8_t)(i >> 8);
			bytes[at + 1] = (uint8_t)i;
			bytes[at + 2] = 0x24;
			expected = whole_instructions(bytes, sizeof(bytes));
			window_find(&function, &code, ADDRESS + 30, ADDRESS + 30);
			if (function.skip || !expected)
				continue;
			nr++;
			wrong += function.window != expected ||
				 check_window(&code, &function, ADDRESS + PLACE_DISTANCE) != NULL;
		}
	}
	printf("# %zu windows\n", nr);
	CHECK(nr > 200000);
	CHECK_EQ(wrong, 0);
}

/* One instruction of the length that is told, or none that is told. */
static bool is_length_right(const ZydisDecoder *decoder, const uint8_t *code, size_t *nr_told)
{
	size_t len = window_length(code);
	ZydisDecodedInstruction insn;

	if (!len)
		return true;
	++*nr_told;
	return ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(decoder, NULL, code, WINDOW_LENGTH_MAX,
							  &insn)) &&
	       insn.length == len;
}

/* Opcode, ModRM and SIB behind each prefix, REX and escape; see what is told of them. */
TEST(lengths)
{
	static const char *const before[] = {"", "\x66", "\xf3", "\xf2"};
	static const char *const rex[] = {"", "\x41", "\x48", "\x4f"};
	static const char *const escape[] = {"", "\x0f"};
	size_t nr_told = 0, wrong = 0;
	ZydisDecoder decoder;

	ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	for (size_t head = 0; head < 4 * 4 * 2; head++) {
		uint8_t code[32] = {0};
		size_t at = (size_t)snprintf((char *)code, sizeof(code), "%s%s%s", before[head & 3],
					     rex[head >> 2 & 3], escape[head >> 4]);

		for (unsigned int i = 0; i < 0x20000; i++) {
			code[at] = (uint8_t)(i >> 8);
			code[at + 1] = (uint8_t)i;
			code[at + 2] = i >> 16 ? 0x24 : 0x25;
			wrong += !is_length_right(&decoder, code, &nr_told);
		}
	}
	printf("# %zu lengths\n", nr_told);
	CHECK(nr_told > 700000);
	CHECK_EQ(wrong, 0);
}

TEST(too_far)
{
	static const uint8_t code[] = "\x48\x8d\x05\x10\x20\x30\x00";
	const struct window_code window = {code, 7, ADDRESS};
	const struct program_function function = {.address = ADDRESS, .window = 7};
	struct window_displaced displaced;

	CHECK(window_displace(&window, &function, ADDRESS + (1ull << 30), &displaced) > 0);
	CHECK_EQ(window_displace(&window, &function, ADDRESS + (1ull << 32), &displaced), 0);
}

/* What is said of the stack at each instruction, and of a frame that is too large for a byte. */
TEST(stack_is_followed)
{
	/* push %rbp; mov %rsp,%rbp; push %r15 */
	static const uint8_t small[] = {0x55, 0x48, 0x89, 0xe5, 0x41, 0x57};
	static const uint8_t large[] = {0x48, 0x81, 0xec, 0x08, 0x10, 0, 0};
	struct window_code window = {small, 6, ADDRESS};
	struct program_function function = {.address = ADDRESS, .window = 6};
	struct window_displaced displaced;
	uint32_t bytes;

	CHECK_EQ(window_displace(&window, &function, ADDRESS + (1ull << 20), &displaced), 11);
	CHECK_EQ(displaced.states[0], 8);
	CHECK_EQ(displaced.states[1], 16 | UNWIND_RBP);
	CHECK_EQ(displaced.states[4], 16 | UNWIND_RBP);
	CHECK_EQ(displaced.states[6], 24 | UNWIND_RBP);
	window = (struct window_code){large, 7, ADDRESS};
	function.window = 7;
	CHECK_EQ(window_displace(&window, &function, ADDRESS + (1ull << 20), &displaced), 12);
	memcpy(&bytes, displaced.states + 8, sizeof(bytes));
	CHECK_EQ(displaced.states[0], 8);
	CHECK_EQ(displaced.states[7], UNWIND_FAR);
	CHECK_EQ(bytes, 0x1010);
}

TEST_MAIN()
