/* SPDX-License-Identifier: MIT */
/*
 * Where functions begin. Symbols say it by name; .eh_frame says it without names, also in stripped
 * files, and says too what only looks like a function: a piece of code whose frame is not that of a
 * function just entered. Relocations say which addresses somebody has, and which functions the
 * loader calls while it relocates.
 */
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/mem.h"
#include "program/frames.h"
#include "program/internal.h"

#define STT_IFUNC	     10 /* STT_GNU_IFUNC */
#define FRAME_USUAL_BYTES    32u
#define EH_FRAME_HDR_POINTER 4u /* where the pointer to .eh_frame stands */

/* --- symbols --- */

static int add_symbol(struct plan *plan, const GElf_Sym *symbol, const char *name, bool is_dynamic)
{
	int type = GELF_ST_TYPE(symbol->st_info), bind = GELF_ST_BIND(symbol->st_info);
	uint32_t flags = 0;

	if (symbol->st_shndx == SHN_UNDEF || (type != STT_FUNC && type != STT_IFUNC))
		return 0;
	if (type == STT_IFUNC)
		flags |= START_IFUNC;
	if (bind == STB_GLOBAL || bind == STB_GNU_UNIQUE)
		flags |= START_GLOBAL;
	if (bind == STB_WEAK)
		flags |= START_WEAK;
	if (is_dynamic && bind != STB_LOCAL)
		flags |= START_EXPORTED;
	return plan_add_start(plan, symbol->st_value, symbol->st_size, name, flags);
}

static int add_import(struct plan *plan, const GElf_Sym *symbol, const char *name, size_t *cap)
{
	struct program_elf *elf = plan->elf;
	int type = GELF_ST_TYPE(symbol->st_info);
	int r;

	if (symbol->st_shndx != SHN_UNDEF || (type != STT_FUNC && type != STT_NOTYPE))
		return 0;
	r = array_reserve(&elf->imports, cap, elf->nr_imports + 1, sizeof(*elf->imports));
	if (r < 0)
		return r;
	elf->imports[elf->nr_imports++] = (uint32_t)plan->names.len;
	out_mem(&plan->names, name, strlen(name) + 1);
	return 0;
}

static int read_symbols(struct plan *plan, Elf *elf, Elf_Scn *section, const GElf_Shdr *header,
			size_t *cap_imports)
{
	Elf_Data *symbols = elf_getdata(section, NULL);
	bool is_dynamic = header->sh_type == SHT_DYNSYM && elf == plan->files.elves[0];
	size_t nr = header->sh_entsize ? (size_t)(header->sh_size / header->sh_entsize) : 0;

	for (size_t i = 1; symbols && i < MIN(nr, (size_t)LIMIT_SYMBOLS); i++) {
		const char *name;
		GElf_Sym symbol;
		int r;

		if (!gelf_getsym(symbols, (int)i, &symbol))
			return 0;
		name = elf_strptr(elf, header->sh_link, symbol.st_name);
		if (!name || !*name)
			continue;
		r = add_symbol(plan, &symbol, name, is_dynamic);
		if (r == 0 && is_dynamic)
			r = add_import(plan, &symbol, name, cap_imports);
		if (r < 0)
			return r;
	}
	return 0;
}

int plan_find_symbols(struct plan *plan)
{
	size_t cap_imports = 0;

	for (size_t i = 0; i < plan->files.nr; i++) {
		Elf *elf = plan->files.elves[i];
		Elf_Scn *section = NULL;
		GElf_Shdr header;

		while ((section = elf_nextscn(elf, section))) {
			int r;

			if (!gelf_getshdr(section, &header) ||
			    (header.sh_type != SHT_SYMTAB && header.sh_type != SHT_DYNSYM))
				continue;
			r = read_symbols(plan, elf, section, &header, &cap_imports);
			if (r < 0)
				return r;
		}
	}
	return plan->names.failed ? -ENOMEM : 0;
}

/* --- frame descriptions --- */

/* Where a description is, and of what. */
struct frame_place {
	uint64_t start, bytes;
	size_t at;
};

static int compare_frames(const void *a, const void *b)
{
	const struct frame_place *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* Where .eh_frame is, by its section or else by what .eh_frame_hdr points to. False: nowhere. */
static bool locate_frames(const struct plan *plan, uint64_t *ret_address, uint64_t *ret_offset,
			  uint64_t *ret_bytes, bool *ret_exact)
{
	struct plan_segment segments[PLAN_SEGMENTS_MAX];
	size_t nr = plan_segments(plan, segments), nr_headers = 0;
	_cleanup_free_ uint8_t *head = NULL;
	GElf_Shdr section;
	GElf_Phdr segment;
	uint64_t at = 0;

	if (symbol_section(plan->files.elves[0], ".eh_frame", &section) &&
	    section.sh_type != SHT_NOBITS) {
		*ret_address = section.sh_addr;
		*ret_offset = section.sh_offset;
		*ret_bytes = section.sh_size;
		*ret_exact = true;
		return true;
	}
	elf_getphdrnum(plan->files.elves[0], &nr_headers);
	for (size_t i = 0; i < nr_headers && i < LIMIT_SECTIONS; i++) {
		if (!gelf_getphdr(plan->files.elves[0], (int)i, &segment) ||
		    segment.p_type != PT_GNU_EH_FRAME)
			continue;
		if (plan_read(plan, segment.p_offset, EH_FRAME_HDR_POINTER + 4, &head) < 0)
			return false;
		/* Everybody writes it as a signed 32-bit distance from itself. */
		if (head[0] != 1 || head[1] != 0x1b)
			return false;
		at = segment.p_vaddr + EH_FRAME_HDR_POINTER +
		     (uint64_t)(int32_t)load_u32(head + EH_FRAME_HDR_POINTER, false);
		break;
	}
	for (size_t i = 0; at && i < nr; i++) {
		if (at < segments[i].address || at - segments[i].address >= segments[i].bytes)
			continue;
		*ret_address = at;
		*ret_offset = segments[i].offset + (at - segments[i].address);
		*ret_bytes = segments[i].bytes - (at - segments[i].address);
		*ret_exact = false;
		return true;
	}
	return false;
}

/* Symbols in the middle of a description: entered as functions are, or not. */
static void judge_inner_starts(struct plan *plan, struct frames *frames, struct frame_place *list,
			       size_t nr, size_t nr_symbols)
{
	uint64_t low = plan->elf->text_low;

	/* Linkers keep the order of the code, nearly always. */
	for (size_t i = 1; i < nr; i++) {
		if (list[i - 1].start > list[i].start) {
			qsort(list, nr, sizeof(*list), compare_frames);
			break;
		}
	}
	for (size_t i = 0; i < nr_symbols; i++) {
		struct start *start = &plan->starts[i];
		uint64_t address = low + start->at;
		size_t from = 0, to = nr;
		struct frame frame;

		while (from < to) {
			size_t middle = from + (to - from) / 2;

			if (list[middle].start <= address)
				from = middle + 1;
			else
				to = middle;
		}
		if (!from || address == list[from - 1].start ||
		    address - list[from - 1].start >= list[from - 1].bytes)
			continue;
		if (!frames_read(frames, list[from - 1].at, &frame) ||
		    frames_state(frames, &frame, address - frame.start) != FRAME_ENTERED)
			start->flags |= START_INSIDE;
	}
}

static int add_frame(struct plan *plan, const struct frames *frames, const struct frame *frame)
{
	uint32_t flags = START_FRAME;

	switch (frames_state(frames, frame, 0)) {
	case FRAME_ENTERED:
		break;
	case FRAME_INSIDE:
		flags |= START_INSIDE;
		break;
	case FRAME_OUTERMOST:
		flags |= START_NEVER;
		break;
	}
	if (frame->cie.is_signal)
		flags |= START_NEVER;
	return plan_add_start(plan, frame->start, frame->bytes, NULL, flags);
}

int plan_find_frames(struct plan *plan)
{
	size_t nr_symbols = plan->nr_starts, nr = 0, cap = 0;
	_cleanup_free_ struct frame_place *list = NULL;
	_cleanup_free_ uint8_t *data = NULL;
	uint64_t address, offset, bytes;
	struct frames frames;
	struct frame frame;
	bool exact;
	int r;

	if (!locate_frames(plan, &address, &offset, &bytes, &exact) || !bytes)
		return 0;
	r = plan_read(plan, offset, bytes, &data);
	if (r < 0)
		return r == -ENOMEM ? r : 0;
	/* There may be as many as fit, and usually are; starts have a place each. */
	nr = MIN((size_t)bytes / FRAME_USUAL_BYTES, (size_t)LIMIT_SYMBOLS);
	r = array_reserve(&list, &cap, nr, sizeof(*list));
	if (r == 0)
		r = array_reserve(&plan->starts, &plan->cap_starts, plan->nr_starts + nr,
				  sizeof(*plan->starts));
	if (r < 0)
		return r;
	nr = 0;
	frames_init(&frames, data, (size_t)bytes, address, exact);
	while (frames_next(&frames, &frame) && nr < LIMIT_SYMBOLS) {
		r = add_frame(plan, &frames, &frame);
		if (r == 0)
			r = array_reserve(&list, &cap, nr + 1, sizeof(*list));
		if (r < 0)
			return r;
		list[nr++] = (struct frame_place){frame.start, frame.bytes, frame.at};
	}
	judge_inner_starts(plan, &frames, list, nr, nr_symbols);
	return 0;
}

/* --- addresses that the loader knows --- */

static int read_relocations(struct plan *plan, Elf_Scn *section, const GElf_Shdr *header)
{
	Elf_Data *data = elf_getdata(section, NULL);
	size_t nr = header->sh_entsize ? (size_t)(header->sh_size / header->sh_entsize) : 0;

	for (size_t i = 0; data && i < MIN(nr, (size_t)LIMIT_SYMBOLS); i++) {
		uint32_t flags = 0;
		GElf_Rela rela;
		int r;

		if (!gelf_getrela(data, (int)i, &rela))
			return 0;
		if (GELF_R_TYPE(rela.r_info) == R_X86_64_RELATIVE)
			flags = START_TAKEN;
		if (GELF_R_TYPE(rela.r_info) == R_X86_64_IRELATIVE)
			flags = START_IFUNC;
		r = flags ? plan_add_start(plan, (uint64_t)rela.r_addend, 0, NULL, flags) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

/* Words of writable data that are addresses of code: what RELR relocates, and tables of -no-pie. */
static int read_words(struct plan *plan, const struct plan_segment *segment)
{
	_cleanup_free_ uint8_t *data = NULL;
	uint64_t skip = -segment->address & 7;
	uint64_t low = plan->elf->text_low, span = plan->elf->text_high - low;
	int r = plan_read(plan, segment->offset, segment->bytes, &data);

	if (r < 0)
		return r == -ENOMEM ? r : 0;
	for (uint64_t i = skip; i + 8 <= segment->bytes; i += 8) {
		uint64_t word = load_u64(data + i, false);

		if (word - low >= span)
			continue;
		r = plan_add_start(plan, word, 0, NULL, START_TAKEN);
		if (r < 0)
			return r;
	}
	return 0;
}

int plan_find_addresses(struct plan *plan)
{
	struct plan_segment segments[PLAN_SEGMENTS_MAX];
	size_t nr = plan_segments(plan, segments);
	Elf *elf = plan->files.elves[0];
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	GElf_Ehdr file;
	int r;

	while ((section = elf_nextscn(elf, section))) {
		if (!gelf_getshdr(section, &header))
			continue;
		r = header.sh_type == SHT_RELA ? read_relocations(plan, section, &header) : 0;
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < nr; i++) {
		if (segments[i].is_code || (!plan->elf->is_fixed && !segments[i].is_writable))
			continue;
		r = read_words(plan, &segments[i]);
		if (r < 0)
			return r;
	}
	if (!gelf_getehdr(elf, &file) || !file.e_entry)
		return 0;
	return plan_add_start(plan, file.e_entry, 0, NULL, START_NEVER);
}
