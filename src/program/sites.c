/* SPDX-License-Identifier: MIT */
/*
 * What leads into the middle of a function is more than what leads to its start: branches from
 * anywhere, also from pieces of it that were moved away, tables of a switch, labels whose address
 * is taken. All code is looked through as in scan.c, but only near the few sites that there are;
 * what could be a table of relative offsets is read as one. What is taken for a branch and is none
 * costs a window, nothing else.
 */
#include "program/sites.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "program/internal.h"

#define BEFORE_MAX    15u /* a window begins this far before its site at most, */
#define DISPLACED_MAX 20u /* and is so long: it fits WINDOW_DISPLACED_BYTES whatever is in it */
#define NEAR_BYTES    16u /* on both sides of a site: where targets are noted */
#define TABLE_MAX     65536u
#define BRANCH_MAX    6u

/* Constant data, for tables; where linkers put it among the code, that. */
struct block {
	uint64_t address, bytes;
	const uint8_t *data;
	uint8_t *owned;
};

struct sites {
	const struct program_elf *elf;
	struct plan plan; /* its starts are the addresses that relocations and data have */
	struct program_site *list;
	uint32_t *targets; /* of each site: bit i: something leads to address - NEAR_BYTES + i */
	size_t nr;
	uint64_t *zones; /* a bit a byte of code: near a site */
	struct block blocks[PLAN_SEGMENTS_MAX];
	size_t nr_blocks;
	struct program_patch *patches;
	size_t nr_patches;
};

static bool is_near(const struct sites *sites, uint64_t address)
{
	uint64_t at = address - sites->elf->text_low;

	return at < sites->elf->text_high - sites->elf->text_low && bits_has(sites->zones, at);
}

static void mark_near(struct sites *sites)
{
	const struct program_elf *elf = sites->elf;

	for (size_t i = 0; i < sites->nr; i++) {
		uint64_t low = sites->list[i].address - NEAR_BYTES;

		for (unsigned int j = 0; j < 2 * NEAR_BYTES; j++) {
			if (low + j - elf->text_low < elf->text_high - elf->text_low)
				bits_set(sites->zones, low + j - elf->text_low);
		}
	}
}

static void note_target(struct sites *sites, uint64_t target)
{
	for (size_t i = 0; i < sites->nr; i++) {
		uint64_t bit = target - sites->list[i].address + NEAR_BYTES;

		if (bit < 2 * NEAR_BYTES)
			sites->targets[i] |= 1u << bit;
	}
}

/* Whether something leads to an address behind the start of the jump that serves site `index`. */
static bool is_target(const struct sites *sites, size_t index, uint64_t address)
{
	uint64_t bit = address - sites->list[index].address + NEAR_BYTES;

	return bit >= 2 * NEAR_BYTES || sites->targets[index] >> bit & 1;
}

/* --- tables --- */

static const struct block *block_at(const struct sites *sites, uint64_t address)
{
	for (size_t i = 0; i < sites->nr_blocks; i++) {
		if (address - sites->blocks[i].address < sites->blocks[i].bytes)
			return &sites->blocks[i];
	}
	return NULL;
}

/* Offsets from the table itself, as long as they lead to code. */
static void read_table(struct sites *sites, uint64_t table)
{
	const struct block *block = block_at(sites, table);
	const struct program_elf *elf = sites->elf;
	uint64_t at = block ? table - block->address : 0;

	for (size_t i = 0; block && i < TABLE_MAX && block->bytes - at >= 4; i++, at += 4) {
		uint64_t target = table + (uint64_t)(int32_t)load_u32(block->data + at, false);

		if (target - elf->text_low >= elf->text_high - elf->text_low)
			return;
		if (is_near(sites, target))
			note_target(sites, target);
		if (block->bytes - at < 8)
			return;
	}
}

static int read_blocks(struct sites *sites)
{
	struct plan_segment segments[PLAN_SEGMENTS_MAX];
	size_t nr = plan_segments(&sites->plan, segments);
	int r = 0;

	for (size_t i = 0; i < nr && r == 0; i++) {
		struct block *block = &sites->blocks[sites->nr_blocks];

		if (segments[i].is_code || segments[i].is_writable || !segments[i].bytes)
			continue;
		*block = (struct block){segments[i].address, segments[i].bytes, NULL, NULL};
		r = plan_read(&sites->plan, segments[i].offset, segments[i].bytes, &block->owned);
		block->data = block->owned;
		sites->nr_blocks += r == 0;
	}
	for (size_t i = 0; i < sites->elf->nr_texts && r == 0; i++) {
		const struct program_text *text = &sites->elf->texts[i];

		if (sites->nr_blocks < PLAN_SEGMENTS_MAX)
			sites->blocks[sites->nr_blocks++] =
				(struct block){text->address, text->bytes, text->code, NULL};
	}
	return r;
}

/* --- branches --- */

/* Whether a branch stands there: `text` is decoded from the start of its function. */
static bool is_branch(const struct sites *sites, const struct program_text *text, uint64_t from,
		      uint64_t target)
{
	const struct program_function *function = program_elf_find(sites->elf, from);
	const struct window_code code = plan_code(text);
	uint64_t start = function ? function->address : 0;

	return !function || window_is_branch(&code, &start, from, target);
}

static void look_at(struct sites *sites, const struct program_text *text, uint64_t at)
{
	const uint8_t *code = text->code + at;
	uint64_t from = text->address + at, target;
	bool is_short = (code[0] & 0xf0) == 0x70 || (code[0] & 0xfc) == 0xe0 || code[0] == 0xeb;
	bool is_long = (code[0] & 0xfe) == 0xe8;
	bool is_jcc = code[0] == 0x0f && (code[1] & 0xf0) == 0x80;
	bool is_lea = code[0] == 0x8d && (code[1] & 0xc7) == 0x05;

	if (is_short)
		target = from + 2 + (uint64_t)(int8_t)code[1];
	else if (is_long)
		target = from + 5 + (uint64_t)(int32_t)load_u32(code + 1, false);
	else if (is_jcc || is_lea)
		target = from + 6 + (uint64_t)(int32_t)load_u32(code + 2, false);
	else
		return;
	if (is_lea) {
		read_table(sites, target);
		if (is_near(sites, target))
			note_target(sites, target);
	} else if (is_near(sites, target) && is_branch(sites, text, from, target)) {
		note_target(sites, target);
	}
}

/* Addresses in data, or that the loader puts there. */
static void note_taken(struct sites *sites)
{
	const struct program_elf *elf = sites->elf;
	uint64_t span = elf->text_high - elf->text_low;

	for (uint64_t i = 0; i < span; i += 64) {
		uint64_t both = sites->plan.taken[i / 64] & sites->zones[i / 64];

		for (; both; both &= both - 1)
			note_target(sites, elf->text_low + i + (uint64_t)__builtin_ctzll(both));
	}
}

static void find_targets(struct sites *sites)
{
	const struct program_elf *elf = sites->elf;

	note_taken(sites);
	for (size_t i = 0; i < sites->plan.nr_starts; i++) {
		uint64_t address = elf->text_low + sites->plan.starts[i].at;

		if (is_near(sites, address))
			note_target(sites, address);
	}
	for (size_t i = 0; i < elf->nr_texts; i++) {
		const struct program_text *text = &elf->texts[i];

		for (uint64_t at = 0; at + BRANCH_MAX <= text->bytes; at++)
			look_at(sites, text, at);
	}
	for (size_t i = 0; i < elf->nr_functions; i++) {
		if (is_near(sites, elf->functions[i].address))
			note_target(sites, elf->functions[i].address);
	}
}

/* --- windows --- */

/* What a function's code says of the instructions near a site. */
struct around {
	struct window_code code;
	uint64_t end, next;		  /* of the function; where another one may begin */
	uint64_t before[BEFORE_MAX];	  /* where the instructions before the site begin */
	size_t nr_before;		  /* nearest first */
	bool is_computed, is_instruction; /* labels are added up; one begins at the site */
};

/*
 * Decode the function up to its end. A label of its own that is taken by `lea`, with a jump through
 * a register, is the base of offsets that nobody else can find.
 */
static void look_around(const struct program_function *function, uint64_t site,
			struct around *around)
{
	bool takes_label = false, jumps = false;
	uint64_t at = function->address;

	while (at < around->end) {
		struct window_insn insn;

		window_look(&around->code, at, &insn);
		if (!insn.length)
			break;
		if (at == site)
			around->is_instruction = true;
		if (at < site && site - at <= BEFORE_MAX) {
			memmove(around->before + 1, around->before,
				(BEFORE_MAX - 1) * sizeof(around->before[0]));
			around->before[0] = at;
			around->nr_before++;
		}
		jumps |= insn.kind == WINDOW_INSN_JUMP_FAR;
		takes_label |= insn.refers > function->address && insn.refers < around->end;
		at += insn.length;
	}
	around->is_computed = takes_label && jumps;
}

/* Whether a jump can be written at `start`, and where the instructions end that it displaces. */
static enum program_skip try_window(const struct sites *sites, size_t index,
				    const struct around *around, uint64_t start, uint64_t *ret_end)
{
	uint64_t needed = start + WINDOW_JUMP_BYTES, at = start;
	uint64_t site = sites->list[index].address;

	/* Who comes to a place between jump and site would not come by the copy. */
	for (uint64_t byte = start + 1; byte < MAX(needed, site + 1); byte++) {
		if (is_target(sites, index, byte))
			return PROGRAM_SKIP_INBOUND;
	}
	while (at < needed || at <= site) {
		struct window_insn insn;

		if (at >= around->end)
			return PROGRAM_SKIP_SHORT;
		window_look(&around->code, at, &insn);
		at += insn.length;
		switch (insn.kind) {
		case WINDOW_INSN_PLAIN:
			break;
		case WINDOW_INSN_CALL:
			if (at < needed || at <= site)
				return PROGRAM_SKIP_CALL;
			break;
		case WINDOW_INSN_JUMP:
		case WINDOW_INSN_JUMP_FAR:
			if (at <= site || needed > around->next ||
			    (needed > around->end &&
			     !window_is_padding(&around->code, MAX(at, around->end), needed)))
				return PROGRAM_SKIP_SHORT;
			/* What stands behind it is reached by branches, of which there is none. */
			*ret_end = at;
			return PROGRAM_SKIP_NONE;
		case WINDOW_INSN_UNMOVABLE:
			return PROGRAM_SKIP_UNMOVABLE;
		default:
			return PROGRAM_SKIP_UNDECODED;
		}
	}
	*ret_end = at;
	return at - start > DISPLACED_MAX ? PROGRAM_SKIP_UNMOVABLE : PROGRAM_SKIP_NONE;
}

/* A site inside the window of the one before it is hit there, unless it is led to past the jump. */
static enum program_skip join(struct sites *sites, size_t index, struct program_patch *patch,
			      const struct around *around)
{
	uint64_t site = sites->list[index].address;

	if (site >= patch->address + patch->displaced)
		return PROGRAM_SKIP_INBOUND;
	for (uint64_t at = patch->address + WINDOW_JUMP_BYTES; at <= site; at++) {
		if (is_target(sites, index, at))
			return PROGRAM_SKIP_INBOUND;
	}
	if (!around->is_instruction)
		return PROGRAM_SKIP_UNDECODED;
	patch->nr = (uint32_t)(index - patch->first) + 1;
	return PROGRAM_SKIP_NONE;
}

static enum program_skip plan_site(struct sites *sites, size_t index)
{
	struct program_patch *last =
		sites->nr_patches ? &sites->patches[sites->nr_patches - 1] : NULL;
	uint64_t site = sites->list[index].address, end = 0, start = site, free_from = 0;
	const struct program_function *function = program_elf_find(sites->elf, site);
	const struct program_text *text = plan_text_at(sites->elf, site);
	struct around around = {.nr_before = 0};
	enum program_skip skip;

	if (!function || !text || function->address < text->address)
		return PROGRAM_SKIP_NOWHERE;
	if (function->skip == PROGRAM_SKIP_NEVER || function->skip == PROGRAM_SKIP_IFUNC ||
	    function->skip == PROGRAM_SKIP_GO)
		return (enum program_skip)function->skip;
	around.code = plan_code(text);
	around.next = function + 1 < sites->elf->functions + sites->elf->nr_functions
			      ? function[1].address
			      : sites->elf->text_high;
	around.next = MIN(around.next, text->address + text->bytes);
	around.end = function->size ? function->address + function->size : around.next;
	look_around(function, site, &around);
	if (last && site < last->address + last->bytes)
		return join(sites, index, last, &around);
	if (!around.is_instruction)
		return PROGRAM_SKIP_UNDECODED;
	if (around.is_computed)
		return PROGRAM_SKIP_COMPUTED;
	free_from = last ? last->address + last->bytes : 0;
	skip = try_window(sites, index, &around, start, &end);
	for (size_t i = 0; skip && i < around.nr_before && around.before[i] >= free_from; i++) {
		start = around.before[i];
		if (try_window(sites, index, &around, start, &end) == PROGRAM_SKIP_NONE)
			skip = PROGRAM_SKIP_NONE;
	}
	if (!skip)
		sites->patches[sites->nr_patches++] = (struct program_patch){
			.address = start,
			.bytes = (uint32_t)MAX(end - start, (uint64_t)WINDOW_JUMP_BYTES),
			.displaced = (uint32_t)(end - start),
			.first = (uint32_t)index,
			.nr = 1,
		};
	return skip;
}

static int plan_steps(struct sites *sites, const char *path, struct err *err)
{
	uint64_t span = sites->elf->text_high - sites->elf->text_low;
	int r = symbol_files_open(&sites->plan.files, path, err);

	if (r < 0)
		return r;
	sites->targets = mem_calloc(sites->nr + 1, sizeof(*sites->targets));
	sites->patches = mem_calloc(sites->nr + 1, sizeof(*sites->patches));
	sites->zones = bits_new(span);
	sites->plan.taken = bits_new(span);
	if (!sites->targets || !sites->patches || !sites->zones || !sites->plan.taken)
		r = -ENOMEM;
	if (r == 0)
		r = plan_find_addresses(&sites->plan);
	if (r == 0)
		r = read_blocks(sites);
	if (r < 0)
		return err_sys(err, r, "cannot plan the probes of %.300s", path);
	mark_near(sites);
	find_targets(sites);
	for (size_t i = 0; i < sites->nr; i++)
		sites->list[i].skip = (uint8_t)plan_site(sites, i);
	return 0;
}

int program_sites_plan(const struct program_elf *elf, const char *path, struct program_site *list,
		       size_t nr, struct program_patch **ret_patches, size_t *ret_nr,
		       struct err *err)
{
	/* Of the plan's own things nothing is changed in the file's. */
	struct sites sites = {
		.elf = elf,
		.plan.elf = (struct program_elf *)(uintptr_t)elf,
		.list = list,
		.nr = nr,
	};
	int r = plan_steps(&sites, path, err);

	symbol_files_close(&sites.plan.files);
	for (size_t i = 0; i < sites.nr_blocks; i++)
		mem_free(sites.blocks[i].owned);
	mem_free(sites.plan.starts);
	mem_free(sites.plan.taken);
	mem_free(sites.targets);
	mem_free(sites.zones);
	if (r < 0) {
		mem_free(sites.patches);
		return r;
	}
	*ret_patches = sites.patches;
	*ret_nr = sites.nr_patches;
	return 0;
}
