/* SPDX-License-Identifier: MIT */
/*
 * The parts of an unwinder. Where it has no names (linked into a stripped program: gcc's
 * -static-libgcc) it is found by what it calls: whoever asks the loader for frame descriptions.
 */
#include <elf.h>
#include <string.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/parallel.h"
#include "program/internal.h"

#define UNWINDER_BYTES 16384u /* an unwinder is that near to what is known of it */
#define WORDS_MAX      16u
#define PIECE_BYTES    (32u << 10) /* of code, looked through in one go */
#define USE_BYTES      6u	   /* of the longest that uses a word, but for a prefix */
#define CALL_BYTES     5u
#define LINKAGE_BYTES  5u /* endbr64 and bnd, before its jump */

/* Addresses of words that hold the loader's functions. */
struct words {
	uint64_t at[WORDS_MAX];
	size_t nr;
};

static bool asks_the_loader(const char *name)
{
	return !strcmp(name, "_dl_find_object") || !strcmp(name, "dl_iterate_phdr");
}

/*
 * Whether the module has an unwinder that its names do not show. A list of modules is asked for by
 * others, too; but who has tables of what exceptions leave, and imports no unwinder, has one.
 */
static bool may_be_hidden(const struct plan *plan)
{
	const struct program_elf *elf = plan->elf;
	bool asks = false, has_tables;
	GElf_Shdr tables;

	has_tables = symbol_section(plan->files.elves[0], ".gcc_except_table", &tables);

	for (size_t i = 0; i < elf->nr_functions; i++) {
		if (plan->flags[i] & START_UNWINDER)
			return false;
	}
	for (size_t i = 0; i < elf->nr_imports; i++) {
		const char *name = plan->names.buf + elf->imports[i];

		if (!strncmp(name, "_Unwind_", 8))
			return false; /* it uses another module's */
		asks |= asks_the_loader(name) && (has_tables || name[0] == '_');
	}
	return asks;
}

static void find_words(struct words *words, Elf *elf, Elf_Scn *section, const GElf_Shdr *header)
{
	Elf_Data *data = elf_getdata(section, NULL);
	Elf_Scn *symbols = elf_getscn(elf, header->sh_link);
	Elf_Data *symbol_data = symbols ? elf_getdata(symbols, NULL) : NULL;
	size_t nr = header->sh_entsize ? (size_t)(header->sh_size / header->sh_entsize) : 0;
	GElf_Shdr symbol_header;

	if (!symbol_data || !gelf_getshdr(symbols, &symbol_header))
		return;
	for (size_t i = 0; data && i < MIN(nr, (size_t)LIMIT_SYMBOLS); i++) {
		GElf_Sym symbol;
		GElf_Rela rela;
		const char *name;

		if (!gelf_getrela(data, (int)i, &rela) || words->nr == WORDS_MAX)
			return;
		if (!GELF_R_SYM(rela.r_info) ||
		    !gelf_getsym(symbol_data, (int)GELF_R_SYM(rela.r_info), &symbol))
			continue;
		name = elf_strptr(elf, symbol_header.sh_link, symbol.st_name);
		if (name && asks_the_loader(name))
			words->at[words->nr++] = rela.r_offset;
	}
}

/* Several threads may. */
static void mark(struct plan *plan, uint64_t address)
{
	struct program_elf *elf = plan->elf;

	for (size_t i = elf->nr_functions; i-- > 0;) {
		if (elf->functions[i].address <= address) {
			__atomic_fetch_or(&plan->flags[i], START_UNWINDER, __ATOMIC_RELAXED);
			return;
		}
	}
}

/* What is looked through at the same time. */
struct look {
	struct plan *plan;
	const struct words *words;
	const struct program_text *text;
	struct plan_pairs pairs;
	uint64_t linkage_low, linkage_bytes;
};

/* The bytes that may begin a use of a word. */
static const struct plan_pair uses[] = {
	{{0xfe}, {0xe8}},	      /* call, jmp: of the linkage */
	{{0xff, 0xc7}, {0x8b, 0x05}}, /* mov */
	{{0xff, 0xff}, {0xff, 0x15}}, /* call through a word */
};

/* Whether the instruction at `at`, the last four bytes of which are a distance, uses a word. */
static bool uses_word(const struct words *words, const struct program_text *text, uint64_t at)
{
	uint64_t target;

	if (text->bytes - at < USE_BYTES)
		return false;
	target = text->address + at + USE_BYTES +
		 (uint64_t)(int32_t)load_u32(text->code + at + 2, false);
	for (size_t i = 0; i < words->nr; i++) {
		if (words->at[i] == target)
			return true;
	}
	return false;
}

/* Where the branch of 32 bits at `at` leads. */
static uint64_t target_of(const struct program_text *text, uint64_t at)
{
	return text->address + at + CALL_BYTES +
	       (uint64_t)(int32_t)load_u32(text->code + at + 1, false);
}

/*
 * A call of the linkage: of its jump through a word, or of the endbr64 or bnd before that. Code
 * that is called is all over the module, so it is not read where one can know where the linkage is.
 */
static bool calls_linkage(const struct look *look, uint64_t at)
{
	const struct program_text *text = look->text;
	uint64_t target;

	if (text->bytes - at < CALL_BYTES)
		return false;
	target = target_of(text, at);
	if (target - look->linkage_low >= look->linkage_bytes)
		return false;
	text = plan_text_at(look->plan->elf, target);
	if (!text)
		return false;
	at = target - text->address;
	for (size_t i = 0; i <= LINKAGE_BYTES && text->bytes - at >= USE_BYTES; i++, at++) {
		if (text->code[at] == 0xff && text->code[at + 1] == 0x25 &&
		    uses_word(look->words, text, at))
			return true;
	}
	return false;
}

/* From the first to the last of the sections that linkers put it into; else it may be anywhere. */
static void find_linkage(struct look *look)
{
	static const char *const names[] = {".plt", ".plt.got", ".plt.sec", ".iplt"};
	uint64_t low = UINT64_MAX, high = 0;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		GElf_Shdr header;

		if (symbol_section(look->plan->files.elves[0], names[i], &header)) {
			low = MIN(low, header.sh_addr);
			high = MAX(high, header.sh_addr + header.sh_size);
		}
	}
	look->linkage_low = low < high ? low : 0;
	look->linkage_bytes = low < high ? high - low : UINT64_MAX;
}

static void look_at(const struct look *look, uint64_t at)
{
	bool is_call = (look->text->code[at] & 0xfe) == 0xe8;

	if (is_call ? calls_linkage(look, at) : uses_word(look->words, look->text, at))
		mark(look->plan, look->text->address + at);
}

static void look_through(void *ctx, size_t index)
{
	const struct look *look = ctx;
	uint64_t at = (uint64_t)index * PIECE_BYTES;
	uint16_t places[PIECE_BYTES];
	/* The last byte begins nothing. */
	size_t nr = plan_find_pairs(look->text->code + at,
				    (size_t)MIN(look->text->bytes - 1 - at, PIECE_BYTES),
				    &look->pairs, places);

	for (size_t i = 0; i < nr; i++)
		look_at(look, at + places[i]);
}

static void find_hidden(struct plan *plan)
{
	struct words words = {.nr = 0};
	struct look look = {.plan = plan, .words = &words};
	Elf *elf = plan->files.elves[0];
	Elf_Scn *section = NULL;
	GElf_Shdr header;

	while ((section = elf_nextscn(elf, section))) {
		if (gelf_getshdr(section, &header) && header.sh_type == SHT_RELA)
			find_words(&words, elf, section, &header);
	}
	if (!words.nr)
		return;
	for (unsigned int i = 0; i < ARRAY_SIZE(uses); i++)
		plan_pairs_add(&look.pairs, i, &uses[i]);
	find_linkage(&look);
	for (size_t i = 0; i < plan->elf->nr_texts; i++) {
		look.text = &plan->elf->texts[i];
		parallel_for(look_through, &look, pieces_of(look.text->bytes - 1, PIECE_BYTES));
	}
}

/*
 * An unwinder knows by their return addresses which functions of its own it is in: none of it may
 * return into a stub. In a stripped file its local functions have no names, but they are near.
 */
static void spare_what_is_near(struct plan *plan)
{
	struct program_elf *elf = plan->elf;

	for (size_t i = 0; i < elf->nr_functions; i++) {
		uint64_t address = elf->functions[i].address;

		if (!(plan->flags[i] & START_UNWINDER))
			continue;
		for (size_t j = i; j < elf->nr_functions; j++) {
			if (elf->functions[j].address - address > UNWINDER_BYTES)
				break;
			elf->functions[j].entry_only = true;
		}
		for (size_t j = i; j-- > 0;) {
			if (address - elf->functions[j].address > UNWINDER_BYTES ||
			    plan->flags[j] & START_UNWINDER)
				break;
			elf->functions[j].entry_only = true;
		}
	}
}

void plan_spare_unwinder(struct plan *plan)
{
	if (may_be_hidden(plan))
		find_hidden(plan);
	spare_what_is_near(plan);
}
