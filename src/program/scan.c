/* SPDX-License-Identifier: MIT */
/*
 * What leads into the first bytes of functions. All code is looked through, byte by byte, for what
 * may be a branch to one of them; only where such a thing is found is the function that it stands
 * in decoded, from its start to there, to see whether it is one. So millions of instructions need
 * not be decoded, and no branch is overlooked, wherever instructions begin. Several threads look.
 *
 * A function without a name may be a piece that the compiler moved away from another one (gcc's
 * cold code), which begins as functions do if the other one has no frame. It is told by how it is
 * reached: it is not called, nobody has its address, and conditional jumps lead to it. That matters
 * because the other function may use the stack below its pointer, which a stub would overwrite.
 */
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "program/internal.h"

#define BYTES_MAX      6u	    /* of the others, up to the end of what they refer by */
#define PIECE_BYTES    (256u << 10) /* of code, looked through in one go */
#define LOOK_BYTES     4096u	    /* of a piece, for each step */
#define BLOCK_BYTES    256u	    /* of code, for each of which a function is known */
#define FUNCTION_ALIGN 16u	    /* what compilers align functions to, but no pieces of them */

enum reached {
	REACHED_CALL = 1 << 0,	  /* called by name */
	REACHED_TAKEN = 1 << 4,	  /* somebody has the address */
	REACHED_JCC = 1 << 1,	  /* by a conditional jump from elsewhere */
	REACHED_LOOP = 1 << 2,	  /* from within */
	REACHED_INBOUND = 1 << 3, /* behind the first byte */
	REACHED_TAIL = 1 << 5,	  /* by a jump from elsewhere: the last act of who does it */
};

struct scan {
	const struct program_elf *elf;
	const struct plan *plan;
	uint8_t *reached; /* enum reached of each function; several threads add to it */
	uint64_t *zones;  /* a bit a byte of code: where functions begin and jumps will be */
	uint64_t *called; /* the same: where functions begin that are known to be called */
	uint32_t *blocks; /* of each block of code: how many functions begin before it */
	uint64_t low, span;
};

static uint64_t site_of(const struct program_function *function)
{
	return function->address + function->site;
}

/* The function at or before an address of the code: its index, or SIZE_MAX. */
static size_t function_before(const struct scan *scan, uint64_t address)
{
	const struct program_elf *elf = scan->elf;
	size_t next = scan->blocks[(address - scan->low) / BLOCK_BYTES];

	while (next < elf->nr_functions && elf->functions[next].address <= address)
		next++;
	return next - 1;
}

static uint64_t end_of(const struct program_elf *elf, size_t index)
{
	const struct program_function *function = &elf->functions[index];

	if (function->size)
		return function->address + function->size;
	return index + 1 < elf->nr_functions ? function[1].address : elf->text_high;
}

static bool has_reached(const struct scan *scan, size_t index, uint8_t flags)
{
	return !(flags & ~__atomic_load_n(&scan->reached[index], __ATOMIC_RELAXED));
}

static void add_reached(struct scan *scan, size_t index, uint8_t flags)
{
	/* Nearly always it is known, and then nothing is written. */
	if (!has_reached(scan, index, flags))
		__atomic_fetch_or(&scan->reached[index], flags, __ATOMIC_RELAXED);
}

/* Where a function has been decoded up to. Who looks through code in order goes on from there. */
struct decoded {
	size_t function;
	uint64_t at; /* an instruction begins here */
};

/* Whether there is a branch at `from`; `source` is the function before it. */
static bool is_branch(const struct scan *scan, const struct program_text *text, size_t source,
		      uint64_t from, uint64_t target, struct decoded *decoded)
{
	const struct window_code code = plan_code(text);

	/* Between functions nothing runs; but who knows. */
	if (source == SIZE_MAX || from >= end_of(scan->elf, source) ||
	    scan->elf->functions[source].address < text->address)
		return true;
	if (decoded->function != source || decoded->at > from)
		*decoded = (struct decoded){source, scan->elf->functions[source].address};
	return window_is_branch(&code, &decoded->at, from, target);
}

static bool is_entry(const struct program_function *function, uint64_t target)
{
	return target == function->address || target == site_of(function);
}

/* Something with a name, or that somebody calls or has the address of, is a function. */
static bool may_be_fragment(const struct scan *scan, size_t index)
{
	return !(scan->plan->flags[index] & START_NAMED) &&
	       !(__atomic_load_n(&scan->reached[index], __ATOMIC_RELAXED) &
		 (REACHED_CALL | REACHED_TAKEN));
}

/* What judge() does not know of a function without looking at what leads to it. */
static uint8_t open_questions(const struct scan *scan, size_t index)
{
	const struct program_function *function = &scan->elf->functions[index];
	uint8_t open = scan->plan->is_walker ? REACHED_TAIL : 0;

	if (function->skip)
		return open;
	if (!scan->plan->is_go)
		open |= REACHED_LOOP;
	if (may_be_fragment(scan, index) && function->address % FUNCTION_ALIGN == 0)
		open |= REACHED_JCC;
	return open | REACHED_INBOUND;
}

/* A possible branch into the zone of a function. */
static void note_branch(struct scan *scan, const struct program_text *text, uint64_t from,
			uint64_t target, bool conditional, struct decoded *decoded)
{
	size_t index = function_before(scan, target), source = function_before(scan, from);
	const struct program_function *function;
	uint8_t flag;

	if (index == SIZE_MAX)
		return;
	function = &scan->elf->functions[index];
	if (!is_entry(function, target))
		flag = REACHED_INBOUND;
	else if (source == index && from < end_of(scan->elf, index))
		flag = REACHED_LOOP;
	else
		flag = (conditional ? REACHED_JCC : 0) | REACHED_TAIL;
	flag &= open_questions(scan, index);
	if (!has_reached(scan, index, flag) && is_branch(scan, text, source, from, target, decoded))
		add_reached(scan, index, flag);
}

/* A call of a function; false: of another place. */
static bool note_call(struct scan *scan, uint64_t target)
{
	uint64_t at = target - scan->low, *called = &scan->called[at / 64];
	size_t index;

	if (__atomic_load_n(called, __ATOMIC_RELAXED) >> at % 64 & 1)
		return true;
	index = function_before(scan, target);
	if (index == SIZE_MAX || !is_entry(&scan->elf->functions[index], target))
		return false;
	add_reached(scan, index, REACHED_CALL);
	__atomic_fetch_or(called, 1ull << at % 64, __ATOMIC_RELAXED);
	return true;
}

/* An address that somebody has. */
static void note_address(struct scan *scan, uint64_t target)
{
	size_t index = function_before(scan, target);
	const struct program_function *function;

	if (index == SIZE_MAX)
		return;
	function = &scan->elf->functions[index];
	if (is_entry(function, target))
		add_reached(scan, index, REACHED_TAKEN);
	else if (target - site_of(function) < WINDOW_JUMP_BYTES)
		add_reached(scan, index, REACHED_INBOUND);
}

/* --- branches, calls and addresses: anywhere --- */

enum byte_kind {
	BYTE_NOTHING,
	BYTE_CALL,   /* e8 */
	BYTE_JMP,    /* e9 */
	BYTE_ESCAPE, /* 0f */
	BYTE_LEA,    /* 8d */
	BYTE_IMM,    /* b8 to bf, 68: a constant of 32 bits, which may be an address */
	BYTE_IMM_TO, /* c7: the same, behind a byte that says where to, at least */
	BYTE_SHORT,  /* 70 to 7f, e0 to e3, eb: a branch by 8 bits */
};

static const uint8_t byte_kinds[256] = {
	[0xe8] = BYTE_CALL,
	[0xe9] = BYTE_JMP,
	[0x0f] = BYTE_ESCAPE,
	[0x8d] = BYTE_LEA,
	[0xb8] = BYTE_IMM,
	[0xb9] = BYTE_IMM,
	[0xba] = BYTE_IMM,
	[0xbb] = BYTE_IMM,
	[0xbc] = BYTE_IMM,
	[0xbd] = BYTE_IMM,
	[0xbe] = BYTE_IMM,
	[0xbf] = BYTE_IMM,
	[0xc7] = BYTE_IMM_TO,
	[0x68] = BYTE_IMM,
	[0x70 ... 0x7f] = BYTE_SHORT,
	[0xe0 ... 0xe3] = BYTE_SHORT,
	[0xeb] = BYTE_SHORT,
};

/* How what such bytes refer to is computed: without a branch, since no processor foresees them. */
static const struct shape {
	uint8_t value;	   /* where the value stands */
	uint8_t length;	   /* of the instruction, behind which distances begin */
	uint8_t above;	   /* how many of the 32 bits there are not the value's */
	uint64_t distance; /* all bits set: it is one, and has a sign */
} shapes[] = {
	[BYTE_CALL] = {.value = 1, .length = 5, .distance = UINT64_MAX},
	[BYTE_JMP] = {.value = 1, .length = 5, .distance = UINT64_MAX},
	[BYTE_ESCAPE] = {.value = 2, .length = 6, .distance = UINT64_MAX},
	[BYTE_LEA] = {.value = 2, .length = 6, .distance = UINT64_MAX},
	[BYTE_IMM] = {.value = 1},
	[BYTE_IMM_TO] = {.value = 2},
	[BYTE_SHORT] = {.value = 1, .length = 2, .above = 24, .distance = UINT64_MAX},
};

static uint64_t short_target(const uint8_t *code, uint64_t from)
{
	return from + 2 + (uint64_t)(int8_t)code[1];
}

/* There are BYTES_MAX of the code. */
static inline uint64_t target_of(const uint8_t *code, uint64_t from)
{
	const struct shape *shape = &shapes[byte_kinds[code[0]]];
	uint32_t value = load_u32(code + shape->value, false) << shape->above;
	uint64_t distance = (uint64_t)((int32_t)value >> shape->above);

	return ((from + shape->length) & shape->distance) +
	       (distance & (shape->distance | UINT32_MAX));
}

/* The bytes that may begin something that refers to a place. */
static const struct plan_pair references[] = {
	{{0xf4}, {0xe0}}, /* BYTE_CALL, BYTE_JMP, some of BYTE_SHORT; ea, which is nothing */
	{{0xf0}, {0x70}}, /* BYTE_SHORT */
	{{0xff, 0xf0}, {0x0f, 0x80}}, /* BYTE_ESCAPE: a jcc of 32 bits */
	{{0xff, 0xc7}, {0x8d, 0x05}}, /* BYTE_LEA: relative to %rip */
	/* The others only where addresses are known when a program is linked. */
	{{0xf8}, {0xb8}}, /* BYTE_IMM */
	{{0xff}, {0x68}},
	{{0xff}, {0xc7}}, /* BYTE_IMM_TO */
};
#define NR_RELATIVE 4u

/* A place of the code, from its lowest on, which no zone is at if it is none. */
static uint32_t place_of(const struct scan *scan, uint64_t target)
{
	uint64_t at = target - scan->low;

	return (uint32_t)(at < scan->span ? at : scan->span);
}

/* What the bytes at `at` refer to is in a zone. */
static void look_at(struct scan *scan, const struct program_text *text, uint64_t at,
		    uint64_t target, struct decoded *decoded)
{
	enum byte_kind kind = byte_kinds[text->code[at]];
	bool is_jcc = kind == BYTE_ESCAPE || (kind == BYTE_SHORT && text->code[at] != 0xeb);

	if (kind == BYTE_NOTHING)
		return;
	if (kind == BYTE_LEA || kind == BYTE_IMM || kind == BYTE_IMM_TO)
		note_address(scan, target);
	else if (kind != BYTE_CALL || !note_call(scan, target))
		note_branch(scan, text, text->address + at, target, is_jcc, decoded);
}

/* One of the pieces of a text that are looked through at the same time. */
struct piece {
	struct scan *scan;
	const struct program_text *text;
	const struct plan_pairs *pairs;
};

/*
 * In steps, each of which does the same to all that the one before has left: what begins as a
 * reference does, what of that leads to a zone, what that is.
 */
static void look_through(const struct piece *piece, uint64_t begin, uint64_t bytes,
			 struct decoded *decoded)
{
	const struct program_text *text = piece->text;
	uint16_t places[LOOK_BYTES];
	uint32_t targets[LOOK_BYTES];
	const struct scan *scan = piece->scan;
	size_t nr = plan_find_pairs(text->code + begin, bytes, piece->pairs, places), left = 0;

	/* Zones are anywhere: they are asked for together, instead of being waited for each. */
	for (size_t i = 0; i < nr; i++) {
		uint64_t at = begin + places[i];

		targets[i] = place_of(scan, target_of(text->code + at, text->address + at));
		__builtin_prefetch(&scan->zones[targets[i] / 64]);
	}
	for (size_t i = 0; i < nr; i++) {
		places[left] = places[i];
		left += bits_has(scan->zones, targets[i]);
	}
	for (size_t i = 0; i < left; i++) {
		uint64_t at = begin + places[i];

		look_at(piece->scan, text, at, target_of(text->code + at, text->address + at),
			decoded);
	}
}

static void scan_piece(void *ctx, size_t index)
{
	const struct piece *piece = ctx;
	const struct program_text *text = piece->text;
	uint64_t at = index * PIECE_BYTES, end = MIN(at + PIECE_BYTES, text->bytes);
	uint64_t whole = MIN(end, MAX(text->bytes, BYTES_MAX - 1) - (BYTES_MAX - 1));
	struct decoded decoded = {.function = SIZE_MAX};

	for (; at < whole; at += MIN(whole - at, LOOK_BYTES))
		look_through(piece, at, MIN(whole - at, LOOK_BYTES), &decoded);
	/* At the end of the text there is room for short branches only. */
	for (; at < end && at + 2 <= text->bytes; at++) {
		uint64_t target = short_target(text->code + at, text->address + at);

		if (byte_kinds[text->code[at]] == BYTE_SHORT &&
		    bits_has(piece->scan->zones, place_of(piece->scan, target)))
			look_at(piece->scan, text, at, target, &decoded);
	}
}

static void scan_texts(struct scan *scan)
{
	const struct program_elf *elf = scan->elf;
	unsigned int nr_pairs = elf->is_fixed ? ARRAY_SIZE(references) : NR_RELATIVE;
	struct plan_pairs pairs = {0};

	for (unsigned int i = 0; i < nr_pairs; i++)
		plan_pairs_add(&pairs, i, &references[i]);
	for (size_t i = 0; i < elf->nr_texts; i++) {
		struct piece piece = {scan, &elf->texts[i], &pairs};

		parallel_for(scan_piece, &piece, pieces_of(elf->texts[i].bytes, PIECE_BYTES));
	}
}

/* --- verdicts --- */

static void mark_blocks(struct scan *scan)
{
	const struct program_elf *elf = scan->elf;
	size_t next = 0;

	for (uint64_t at = 0; at < scan->span; at += BLOCK_BYTES) {
		while (next < elf->nr_functions && elf->functions[next].address < scan->low + at)
			next++;
		scan->blocks[at / BLOCK_BYTES] = (uint32_t)next;
	}
}

static void mark_zones(struct scan *scan)
{
	for (size_t i = 0; i < scan->elf->nr_functions; i++) {
		const struct program_function *function = &scan->elf->functions[i];
		uint64_t at = function->address - scan->low;

		bits_set(scan->zones, at);
		for (unsigned int j = 0; j < WINDOW_JUMP_BYTES; j++) {
			if (at + function->site + j < scan->span)
				bits_set(scan->zones, at + function->site + j);
		}
	}
}

static bool is_fragment(const struct scan *scan, size_t index)
{
	return may_be_fragment(scan, index) &&
	       (scan->reached[index] & REACHED_JCC ||
		scan->elf->functions[index].address % FUNCTION_ALIGN);
}

static void judge(struct plan *plan, const struct scan *scan)
{
	for (size_t i = 0; i < plan->elf->nr_functions; i++) {
		struct program_function *function = &plan->elf->functions[i];

		if (plan->is_walker && scan->reached[i] & (REACHED_TAKEN | REACHED_TAIL))
			function->entry_only = true;
		if (function->skip)
			continue;
		if (is_fragment(scan, i))
			function->skip = PROGRAM_SKIP_FRAGMENT;
		else if (scan->reached[i] & REACHED_INBOUND)
			function->skip = PROGRAM_SKIP_INBOUND;
		else if (scan->reached[i] & REACHED_LOOP && !plan->is_go)
			function->skip = PROGRAM_SKIP_LOOP;
	}
}

static void find_windows(void *ctx, size_t index)
{
	struct program_elf *elf = ctx;
	size_t i = index * PIECE_FUNCTIONS, end = MIN(i + PIECE_FUNCTIONS, elf->nr_functions);

	for (; i < end; i++) {
		const struct program_text *text = plan_text_at(elf, elf->functions[i].address);
		uint64_t next =
			i + 1 < elf->nr_functions ? elf->functions[i + 1].address : elf->text_high;
		const struct window_code code = plan_code(text);

		window_find(&elf->functions[i], &code, end_of(elf, i), next);
	}
}

/* Tables of labels in data: addresses behind the start of a function. */
static void note_taken(struct scan *scan)
{
	for (uint64_t i = 0; i < scan->span; i += 64) {
		uint64_t both = scan->plan->taken[i / 64] & scan->zones[i / 64];

		for (; both; both &= both - 1) {
			uint64_t at = i + (uint64_t)__builtin_ctzll(both);

			note_address(scan, scan->low + at);
		}
	}
}

int plan_windows(struct plan *plan)
{
	const struct program_elf *elf = plan->elf;
	uint64_t span = elf->text_high - elf->text_low;
	_cleanup_free_ uint8_t *reached = mem_calloc(elf->nr_functions + 1, 1);
	_cleanup_free_ uint64_t *zones = bits_new(span);
	_cleanup_free_ uint64_t *called = bits_new(span);
	_cleanup_free_ uint32_t *blocks = mem_calloc(pieces_of(span, BLOCK_BYTES), sizeof(*blocks));
	struct scan scan = {
		.elf = elf,
		.plan = plan,
		.reached = reached,
		.zones = zones,
		.called = called,
		.blocks = blocks,
		.low = elf->text_low,
		.span = span,
	};

	if (!reached || !zones || !called || !blocks)
		return -ENOMEM;
	parallel_for(find_windows, plan->elf, pieces_of(elf->nr_functions, PIECE_FUNCTIONS));
	mark_blocks(&scan);
	mark_zones(&scan);
	note_taken(&scan);
	scan_texts(&scan);
	judge(plan, &scan);
	plan_spare_unwinder(plan);
	return 0;
}
