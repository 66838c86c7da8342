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
#include "program/internal.h"

#define UNWINDER_BYTES 16384u /* an unwinder is that near to what is known of it */
#define PLACES_MAX     16u

/* Addresses of words that hold the loader's functions, and of the linkage that jumps there. */
struct places {
	uint64_t words[PLACES_MAX], jumps[PLACES_MAX];
	size_t nr_words, nr_jumps;
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

static void find_words(struct places *places, Elf *elf, Elf_Scn *section, const GElf_Shdr *header)
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

		if (!gelf_getrela(data, (int)i, &rela) || places->nr_words == PLACES_MAX)
			return;
		if (!GELF_R_SYM(rela.r_info) ||
		    !gelf_getsym(symbol_data, (int)GELF_R_SYM(rela.r_info), &symbol))
			continue;
		name = elf_strptr(elf, symbol_header.sh_link, symbol.st_name);
		if (name && asks_the_loader(name))
			places->words[places->nr_words++] = rela.r_offset;
	}
}

static bool is_one_of(const uint64_t *list, size_t nr, uint64_t address)
{
	for (size_t i = 0; i < nr; i++) {
		if (list[i] == address)
			return true;
	}
	return false;
}

static void mark(struct plan *plan, uint64_t address)
{
	struct program_elf *elf = plan->elf;

	for (size_t i = elf->nr_functions; i-- > 0;) {
		if (elf->functions[i].address <= address) {
			plan->flags[i] |= START_UNWINDER;
			return;
		}
	}
}

/* jmp, call, mov through one of the words. */
static void find_uses_of_words(struct plan *plan, struct places *places,
			       const struct program_text *text)
{
	for (uint64_t at = 0; at + 6 <= text->bytes; at++) {
		const uint8_t *code = text->code + at;
		uint64_t target =
			text->address + at + 6 + (uint64_t)(int32_t)load_u32(code + 2, false);
		bool is_jump = code[0] == 0xff && code[1] == 0x25;
		bool is_use = (code[0] == 0xff && code[1] == 0x15) ||
			      (code[0] == 0x8b && (code[1] & 0xc7) == 0x05);

		if ((!is_jump && !is_use) || !is_one_of(places->words, places->nr_words, target))
			continue;
		if (is_use)
			mark(plan, text->address + at);
		else if (places->nr_jumps < PLACES_MAX)
			places->jumps[places->nr_jumps++] = text->address + at;
	}
}

/* Calls of the linkage: of its jump, or of the endbr64 or bnd before that. */
static void find_calls(struct plan *plan, const struct places *places,
		       const struct program_text *text)
{
	for (uint64_t at = 0; at + 5 <= text->bytes; at++) {
		uint64_t target = text->address + at + 5 +
				  (uint64_t)(int32_t)load_u32(text->code + at + 1, false);

		if ((text->code[at] & 0xfe) != 0xe8)
			continue;
		for (size_t i = 0; i < places->nr_jumps; i++) {
			if (places->jumps[i] - target <= 5)
				mark(plan, text->address + at);
		}
	}
}

static void find_hidden(struct plan *plan)
{
	Elf *elf = plan->files.elves[0];
	struct places places = {.nr_words = 0};
	Elf_Scn *section = NULL;
	GElf_Shdr header;

	while ((section = elf_nextscn(elf, section))) {
		if (gelf_getshdr(section, &header) && header.sh_type == SHT_RELA)
			find_words(&places, elf, section, &header);
	}
	for (size_t i = 0; i < plan->elf->nr_texts && places.nr_words; i++)
		find_uses_of_words(plan, &places, &plan->elf->texts[i]);
	for (size_t i = 0; i < plan->elf->nr_texts && places.nr_jumps; i++)
		find_calls(plan, &places, &plan->elf->texts[i]);
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
