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
#include "base/parallel.h"
#include "program/internal.h"

#define STT_IFUNC	     10 /* STT_GNU_IFUNC */
#define FRAME_BYTES_MIN	     12u
#define SYMBOLS_AT_ONCE	     1024u
#define RELOCATIONS_AT_ONCE  1024u
#define WORDS_BYTES	     (64u << 10)
#define EH_FRAME_HDR_POINTER 4u /* where the pointer to .eh_frame stands */

/* --- symbols --- */

/* Bytes of one of the files; a file in memory is all there. */
static int read_file(const struct plan *plan, size_t file, uint64_t offset, void *data, size_t len)
{
	size_t size = 0;
	const char *raw =
		plan->files.fds[file] < 0 ? elf_rawfile(plan->files.elves[file], &size) : NULL;
	ssize_t got;

	if (raw) {
		if (offset > size || len > size - offset)
			return -EBADMSG;
		memcpy(data, raw + offset, len);
		return 0;
	}
	got = io_pread_full(plan->files.fds[file], data, len, offset);
	return got < 0 ? (int)got : (size_t)got == len ? 0 : -EBADMSG;
}

/* The names of a section, read once; NULL with 0 when there are none that can be used. */
static int read_names(struct plan *plan, size_t file, size_t section,
		      const struct plan_names **ret_table)
{
	Elf_Scn *strings = elf_getscn(plan->files.elves[file], section);
	struct plan_names *table = plan->tables;
	struct out *names = &plan->names;
	GElf_Shdr header;
	int r;

	*ret_table = NULL;
	for (; table < plan->tables + plan->nr_tables; table++) {
		if (table->file == file && table->section == section) {
			*ret_table = table;
			return 0;
		}
	}
	if (plan->nr_tables == PLAN_NAMES_MAX || !strings || !gelf_getshdr(strings, &header) ||
	    header.sh_type != SHT_STRTAB ||
	    header.sh_size > UINT32_MAX - LIMIT_STRING_BYTES - names->len)
		return 0;
	if (!out_room(names, (size_t)header.sh_size + 1))
		return -ENOMEM;
	mem_expect_use(names->buf, names->cap);
	r = read_file(plan, file, header.sh_offset, names->buf + names->len,
		      (size_t)header.sh_size);
	if (r < 0)
		return r == -EBADMSG ? 0 : r;
	*table = (struct plan_names){
		.file = file,
		.section = section,
		.base = (uint32_t)names->len,
		.bytes = (uint32_t)header.sh_size,
	};
	names->len += table->bytes;
	out_char(names, '\0');
	plan->nr_tables++;
	*ret_table = table;
	return 0;
}

/* The name without a version (memcpy@@GLIBC_2.14), and not longer than names are: 0: none. */
static int shorten(struct plan *plan, uint32_t name, uint32_t *ret_name)
{
	const char *text = plan->names.buf + name;
	size_t len = (size_t)(strchrnul(text, '@') - text);

	*ret_name = name;
	if (!text[len] && len <= LIMIT_STRING_BYTES)
		return 0;
	if (plan->names.len > UINT32_MAX - 2 * LIMIT_STRING_BYTES)
		return -E2BIG;
	len = MIN(len, (size_t)LIMIT_STRING_BYTES);
	*ret_name = len ? (uint32_t)plan->names.len : 0;
	if (len && out_room(&plan->names, len + 1)) {
		/* The room may have moved the text. */
		out_mem(&plan->names, plan->names.buf + name, len);
		out_char(&plan->names, '\0');
	}
	return plan->names.failed ? -ENOMEM : 0;
}

enum table {
	TABLE_OTHERS,  /* of a file of debugging symbols */
	TABLE_OWN,     /* the module's .symtab: all names, if there is one */
	TABLE_DYNAMIC, /* its .dynsym */
};

/* The module's .symtab has a name for the byte; the first time there is one. */
static int note_named(struct plan *plan, uint64_t at)
{
	uint64_t span = plan->elf->text_high - plan->elf->text_low;

	if (!plan->named) {
		plan->named = bits_new(span);
		plan->exported = bits_new(span);
	}
	if (!plan->named || !plan->exported)
		return -ENOMEM;
	bits_set(plan->named, at);
	return 0;
}

/* What .dynsym says of a function that .symtab has is only that it is exported. */
static int add_function(struct plan *plan, const Elf64_Sym *symbol, uint32_t name, enum table table)
{
	int type = ELF64_ST_TYPE(symbol->st_info), bind = ELF64_ST_BIND(symbol->st_info);
	uint64_t at = symbol->st_value - plan->elf->text_low;
	uint32_t flags = 0;
	int r = 0;

	if (!plan_text_at(plan->elf, symbol->st_value))
		return 0;
	if (table == TABLE_DYNAMIC && bind != STB_LOCAL)
		flags |= START_EXPORTED;
	if (table == TABLE_DYNAMIC && plan->named && bits_has(plan->named, at)) {
		if (flags & START_EXPORTED)
			bits_set(plan->exported, at);
		return 0;
	}
	if (table == TABLE_OWN)
		r = note_named(plan, at);
	if (r == 0)
		r = shorten(plan, name, &name);
	if (r < 0)
		return r;
	if (type == STT_IFUNC)
		flags |= START_IFUNC;
	if (bind == STB_GLOBAL || bind == STB_GNU_UNIQUE)
		flags |= START_GLOBAL;
	if (bind == STB_WEAK)
		flags |= START_WEAK;
	return plan_add_start(plan, symbol->st_value, symbol->st_size, name, flags);
}

static int add_import(struct plan *plan, uint32_t name)
{
	struct program_elf *elf = plan->elf;
	int r = array_reserve(&elf->imports, &plan->cap_imports, elf->nr_imports + 1,
			      sizeof(*elf->imports));

	if (r == 0)
		elf->imports[elf->nr_imports++] = name;
	return r;
}

static int add_symbol(struct plan *plan, const Elf64_Sym *symbol, const struct plan_names *names,
		      enum table table)
{
	int type = ELF64_ST_TYPE(symbol->st_info);
	uint32_t name = names->base + MIN(symbol->st_name, names->bytes);

	if ((type != STT_FUNC && type != STT_IFUNC && type != STT_NOTYPE) || !plan->names.buf[name])
		return 0;
	if (symbol->st_shndx != SHN_UNDEF)
		return type == STT_NOTYPE ? 0 : add_function(plan, symbol, name, table);
	return table == TABLE_DYNAMIC && type != STT_IFUNC ? add_import(plan, name) : 0;
}

static int read_symbols(struct plan *plan, size_t file, const GElf_Shdr *header)
{
	enum table table = file				   ? TABLE_OTHERS
			   : header->sh_type == SHT_DYNSYM ? TABLE_DYNAMIC
							   : TABLE_OWN;
	uint64_t nr = header->sh_size / sizeof(Elf64_Sym);
	Elf64_Sym symbols[SYMBOLS_AT_ONCE];
	const struct plan_names *names;
	int r = read_names(plan, file, header->sh_link, &names);

	if (r < 0 || !names)
		return r;
	nr = MIN(nr, (uint64_t)LIMIT_SYMBOLS);
	for (uint64_t i = 0; i < nr && r == 0; i += ARRAY_SIZE(symbols)) {
		size_t some = (size_t)MIN(nr - i, (uint64_t)ARRAY_SIZE(symbols));

		r = read_file(plan, file, header->sh_offset + i * sizeof(*symbols), symbols,
			      some * sizeof(*symbols));
		if (r == -EBADMSG)
			return 0;
		for (size_t j = 0; j < some && r == 0; j++)
			r = add_symbol(plan, &symbols[j], names, table);
	}
	return r;
}

/* Room for all starts that the sections of one file can give. */
static uint64_t count_entries(Elf *elf)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	uint64_t nr = 0;

	while ((section = elf_nextscn(elf, section))) {
		if (gelf_getshdr(section, &header) &&
		    (header.sh_type == SHT_SYMTAB || header.sh_type == SHT_DYNSYM ||
		     header.sh_type == SHT_RELA))
			nr += MIN(header.sh_size, LIMIT_PROGRAM_BYTES) / sizeof(Elf64_Sym);
	}
	return nr;
}

/* A large array that grows is copied each time, and its new memory touched. */
static int prepare_starts(struct plan *plan)
{
	uint64_t nr = 1, span = plan->elf->text_high - plan->elf->text_low;
	int r;

	for (size_t i = 0; i < plan->files.nr; i++)
		nr += count_entries(plan->files.elves[i]);
	plan->taken = bits_new(span);
	if (!plan->taken)
		return -ENOMEM;
	r = array_reserve(&plan->starts, &plan->cap_starts,
			  (size_t)MIN(nr, (uint64_t)LIMIT_SYMBOLS), sizeof(*plan->starts));
	mem_expect_use(plan->starts, plan->cap_starts * sizeof(*plan->starts));
	return r;
}

static int read_tables(struct plan *plan, size_t file, uint32_t type)
{
	Elf *elf = plan->files.elves[file];
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	int r = 0;

	/* Symbols are read as they lie in files of x86-64. */
	if (gelf_getclass(elf) != ELFCLASS64)
		return 0;
	while (r == 0 && (section = elf_nextscn(elf, section))) {
		if (gelf_getshdr(section, &header) && header.sh_type == type)
			r = read_symbols(plan, file, &header);
	}
	return r;
}

static int find_symbols(struct plan *plan)
{
	int r = 0;

	/* No name is at 0. */
	out_char(&plan->names, '\0');
	for (size_t i = 0; i < plan->files.nr && r == 0; i++) {
		r = read_tables(plan, i, SHT_SYMTAB);
		if (r == 0)
			r = read_tables(plan, i, SHT_DYNSYM);
	}
	return plan->names.failed ? -ENOMEM : r;
}

/* --- frame descriptions --- */

/* Where .eh_frame is, by its section or else by what .eh_frame_hdr points to; 0 bytes: nowhere. */
static struct frames_place locate_frames(const struct plan *plan)
{
	struct plan_segment segments[PLAN_SEGMENTS_MAX];
	size_t nr = plan_segments(plan, segments), nr_headers = 0;
	struct frames_place nowhere = {.bytes = 0};
	_cleanup_free_ uint8_t *head = NULL;
	GElf_Shdr section;
	GElf_Phdr segment;
	uint64_t at = 0;

	if (symbol_section(plan->files.elves[0], ".eh_frame", &section) &&
	    section.sh_type != SHT_NOBITS)
		return (struct frames_place){section.sh_addr, section.sh_offset, section.sh_size,
					     true};
	elf_getphdrnum(plan->files.elves[0], &nr_headers);
	for (size_t i = 0; i < nr_headers && i < LIMIT_SECTIONS; i++) {
		if (!gelf_getphdr(plan->files.elves[0], (int)i, &segment) ||
		    segment.p_type != PT_GNU_EH_FRAME)
			continue;
		if (plan_read(plan, segment.p_offset, EH_FRAME_HDR_POINTER + 4, &head) < 0)
			return nowhere;
		/* Everybody writes it as a signed 32-bit distance from itself. */
		if (head[0] != 1 || head[1] != 0x1b)
			return nowhere;
		at = segment.p_vaddr + EH_FRAME_HDR_POINTER +
		     (uint64_t)(int32_t)load_u32(head + EH_FRAME_HDR_POINTER, false);
		break;
	}
	for (size_t i = 0; at && i < nr; i++) {
		uint64_t before = at - segments[i].address;

		if (at >= segments[i].address && before < segments[i].bytes)
			return (struct frames_place){at, segments[i].offset + before,
						     segments[i].bytes - before, false};
	}
	return nowhere;
}

static uint32_t frame_flags(const struct frames *frames, const struct frame *frame)
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
	return flags;
}

/* Take the descriptions' bytes, and make room for as many as there can be. */
static int prepare_frames(struct plan *plan)
{
	struct plan_frames *of = &plan->frames;
	const struct frames_place *place = &of->place;
	const uint8_t *data = NULL;
	int r = place->bytes ? plan_take(plan, place->offset, place->bytes, &of->held, &data) : 0;

	if (r < 0)
		return r == -ENOMEM ? r : 0;
	frames_init(&of->frames, data, (size_t)place->bytes, place->address, place->exact);
	r = array_reserve(&of->places, &of->cap,
			  MIN((size_t)place->bytes / FRAME_BYTES_MIN, (size_t)LIMIT_SYMBOLS),
			  sizeof(*of->places));
	mem_expect_use(of->places, of->cap * sizeof(*of->places));
	return r;
}

static void add_frame(struct plan *plan, const struct frame *frame)
{
	const struct program_text *text = plan_text_at(plan->elf, frame->start);
	struct plan_frames *of = &plan->frames;

	/* Places of descriptions are 32 bits: LIMIT_PROGRAM_BYTES. */
	if (text)
		of->places[of->nr++] = (struct frame_place){
			.at = (uint32_t)(frame->start - plan->elf->text_low),
			.size = (uint32_t)MIN(frame->bytes,
					      text->bytes - (frame->start - text->address)),
			.entry = (uint32_t)frame->at,
			.flags = frame_flags(&of->frames, frame),
		};
}

static int find_frames(struct plan *plan)
{
	struct plan_frames *of = &plan->frames;
	struct frame frame;
	int r = prepare_frames(plan);

	while (r == 0 && of->nr < of->cap && frames_next(&of->frames, &frame))
		add_frame(plan, &frame);
	/* Linkers keep the order of the code, if that has not been taken apart (hot, cold). */
	return r < 0 ? r
		     : plan_sort(&of->places, of->nr, plan->elf->text_high - plan->elf->text_low);
}

void plan_judge_inner_starts(struct plan *plan)
{
	struct plan_frames *of = &plan->frames;
	size_t next = 0;

	for (size_t i = 0; i < plan->nr_starts; i++) {
		struct start *start = &plan->starts[i];
		const struct frame_place *place;
		struct frame frame;

		while (next < of->nr && of->places[next].at <= start->at)
			next++;
		if (!next || !start->name)
			continue;
		place = &of->places[next - 1];
		if (start->at == place->at || start->at - place->at >= place->size)
			continue;
		if (!frames_read(&of->frames, place->entry, &frame) ||
		    frames_state(&of->frames, &frame, start->at - place->at) != FRAME_ENTERED)
			start->flags |= START_INSIDE;
	}
}

/* --- addresses that the loader knows --- */

/* From relocations and data at the same time. */
static void note_taken(struct plan *plan, uint64_t address)
{
	const struct program_elf *elf = plan->elf;
	uint64_t at = address - elf->text_low, bit = 1ull << at % 64;

	if (at < elf->text_high - elf->text_low &&
	    !(__atomic_load_n(&plan->taken[at / 64], __ATOMIC_RELAXED) & bit))
		__atomic_fetch_or(&plan->taken[at / 64], bit, __ATOMIC_RELAXED);
}

static int note_relocation(struct plan *plan, const Elf64_Rela *rela)
{
	uint64_t type = ELF64_R_TYPE(rela->r_info);

	if (type == R_X86_64_RELATIVE)
		note_taken(plan, (uint64_t)rela->r_addend);
	if (type == R_X86_64_IRELATIVE)
		return plan_add_start(plan, (uint64_t)rela->r_addend, 0, 0, START_IFUNC);
	return 0;
}

/* As they lie in files of x86-64, and through a small buffer, like symbols. */
static int read_relocations(struct plan *plan, const GElf_Shdr *header)
{
	uint64_t nr = header->sh_entsize == sizeof(Elf64_Rela) ? header->sh_size : 0;
	Elf64_Rela relas[RELOCATIONS_AT_ONCE];
	int r = 0;

	nr = MIN(nr / sizeof(*relas), (uint64_t)LIMIT_SYMBOLS);
	for (uint64_t i = 0; i < nr && r == 0; i += ARRAY_SIZE(relas)) {
		size_t some = (size_t)MIN(nr - i, (uint64_t)ARRAY_SIZE(relas));

		r = read_file(plan, 0, header->sh_offset + i * sizeof(*relas), relas,
			      some * sizeof(*relas));
		if (r == -EBADMSG)
			return 0;
		for (size_t j = 0; j < some && r == 0; j++)
			r = note_relocation(plan, &relas[j]);
	}
	return r;
}

/* Words of writable data that are addresses of code: what RELR relocates, and tables of -no-pie. */
static int read_words(struct plan *plan, const struct plan_segment *segment)
{
	uint64_t bytes, at = -segment->address & 7;

	/* A piece at a time: fresh memory costs more than reading does. */
	for (; at + 8 <= segment->bytes; at += bytes) {
		_cleanup_free_ uint8_t *data = NULL;
		int r;

		bytes = MIN(segment->bytes - at, WORDS_BYTES) & ~7ull;
		r = plan_read(plan, segment->offset + at, bytes, &data);
		if (r < 0)
			return r == -ENOMEM ? r : 0;
		for (uint64_t i = 0; i < bytes; i += 8)
			note_taken(plan, load_u64(data + i, false));
	}
	return 0;
}

static int find_words(struct plan *plan, const struct plan_segment *segments, size_t nr)
{
	int r = 0;

	for (size_t i = 0; i < nr && r == 0; i++) {
		if (!segments[i].is_code && (plan->elf->is_fixed || segments[i].is_writable))
			r = read_words(plan, &segments[i]);
	}
	return r;
}

static int find_relocations(struct plan *plan)
{
	Elf *elf = plan->files.elves[0];
	Elf_Scn *section = NULL;
	GElf_Shdr header;
	int r = 0;

	while (r == 0 && (section = elf_nextscn(elf, section))) {
		if (gelf_getshdr(section, &header) && header.sh_type == SHT_RELA)
			r = read_relocations(plan, &header);
	}
	return r;
}

int plan_find_addresses(struct plan *plan)
{
	struct plan_segment segments[PLAN_SEGMENTS_MAX];
	int r = find_relocations(plan);

	return r < 0 ? r : find_words(plan, segments, plan_segments(plan, segments));
}

/* --- all of it --- */

/* What appends to the starts; only this uses libelf, which is not made for threads. */
static int find_named(struct plan *plan)
{
	GElf_Ehdr file;
	int r = find_symbols(plan);

	if (r == 0)
		r = find_relocations(plan);
	if (r < 0 || !gelf_getehdr(plan->files.elves[0], &file) || !file.e_entry)
		return r;
	return plan_add_start(plan, file.e_entry, 0, 0, START_NEVER);
}

/* What is done at the same time. The longest first: the others share threads if there are few. */
enum finding_part {
	FIND_FRAMES,
	FIND_NAMED,
	FIND_WORDS,
	READ_TEXTS,
	NR_FINDINGS
};

struct finding {
	struct plan *plan;
	struct plan_segment segments[PLAN_SEGMENTS_MAX];
	size_t nr_segments;
	int r[NR_FINDINGS];
};

static int find_part(struct finding *finding, size_t index)
{
	switch (index) {
	case FIND_FRAMES:
		return find_frames(finding->plan);
	case FIND_NAMED:
		return find_named(finding->plan);
	case FIND_WORDS:
		return find_words(finding->plan, finding->segments, finding->nr_segments);
	default:
		return plan_read_texts(finding->plan);
	}
}

static void find_one(void *ctx, size_t index)
{
	struct finding *finding = ctx;

	finding->r[index] = find_part(finding, index);
}

int plan_find_starts(struct plan *plan)
{
	struct finding finding = {.plan = plan};
	int r = prepare_starts(plan);

	plan->frames.place = locate_frames(plan);
	finding.nr_segments = plan_segments(plan, finding.segments);
	if (r == 0)
		parallel_for(find_one, &finding, NR_FINDINGS);
	for (size_t i = 0; i < NR_FINDINGS && r == 0; i++)
		r = finding.r[i];
	return r;
}
