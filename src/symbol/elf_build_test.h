/* SPDX-License-Identifier: MIT */
/*
 * Makes small ELF files of any class and byte order: one segment of code and a symbol table. Only
 * *_test.c files include this.
 */
#ifndef SONDE_SYMBOL_ELF_BUILD_TEST_H
#define SONDE_SYMBOL_ELF_BUILD_TEST_H

#include <elf.h>
#include <lzma.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#define BUILD_CODE_OFFSET  0x100u
#define BUILD_CODE_ADDRESS 0x401100u
#define BUILD_CODE_SIZE	   0x100u

struct build_symbol {
	const char *name;
	uint32_t address; /* 0: not defined here */
	uint8_t type;	  /* STT_* */
};

struct build {
	bool is64, big;
	uint8_t *data;
	size_t len;
};

static inline void build_bytes(struct build *build, const void *data, size_t len)
{
	build->data = realloc(build->data, build->len + len + 1);
	if (!build->data)
		__builtin_trap();
	memcpy(build->data + build->len, data, len);
	build->len += len;
}

static inline void build_u16(struct build *build, uint16_t value)
{
	uint8_t bytes[2];

	store_u16(bytes, value, build->big);
	build_bytes(build, bytes, sizeof(bytes));
}

static inline void build_u32(struct build *build, uint32_t value)
{
	uint8_t bytes[4];

	store_u32(bytes, value, build->big);
	build_bytes(build, bytes, sizeof(bytes));
}

/* An address, offset or size: as wide as the class. */
static inline void build_word(struct build *build, uint64_t value)
{
	uint8_t bytes[8];

	store_u64(bytes, value, build->big);
	if (build->is64)
		build_bytes(build, bytes, sizeof(bytes));
	else
		build_u32(build, (uint32_t)value);
}

static inline void build_pad(struct build *build, size_t offset)
{
	while (build->len < offset)
		build_bytes(build, "", 1);
}

static inline void build_symbol(struct build *build, const struct build_symbol *symbol,
				uint32_t name)
{
	const uint8_t info[2] = {(uint8_t)(STB_GLOBAL << 4 | symbol->type), 0};
	uint16_t section = symbol->address ? 1 : SHN_UNDEF;

	build_u32(build, name);
	if (build->is64) {
		build_bytes(build, info, 2);
		build_u16(build, section);
	}
	build_word(build, symbol->address);
	build_word(build, 16);
	if (!build->is64) {
		build_bytes(build, info, 2);
		build_u16(build, section);
	}
}

static inline void build_section(struct build *build, uint32_t name, uint32_t type, size_t offset,
				 size_t size, uint32_t link, size_t entry)
{
	build_u32(build, name);
	build_u32(build, type);
	build_word(build, 0);
	build_word(build, 0);
	build_word(build, offset);
	build_word(build, size);
	build_u32(build, link);
	build_u32(build, 0);
	build_word(build, 1);
	build_word(build, entry);
}

static inline void build_header(struct build *build, uint16_t machine, size_t sections)
{
	const uint8_t ident[16] = {0x7f,
				   'E',
				   'L',
				   'F',
				   build->is64 ? ELFCLASS64 : ELFCLASS32,
				   build->big ? ELFDATA2MSB : ELFDATA2LSB,
				   EV_CURRENT};
	uint16_t header = build->is64 ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr);

	build_bytes(build, ident, sizeof(ident));
	build_u16(build, ET_DYN);
	build_u16(build, machine);
	build_u32(build, EV_CURRENT);
	build_word(build, 0);
	build_word(build, header);
	build_word(build, sections);
	build_u32(build, 0);
	build_u16(build, header);
	build_u16(build, build->is64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr));
	build_u16(build, 1);
	build_u16(build, build->is64 ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr));
	build_u16(build, 5);
	build_u16(build, 4);
}

static inline void build_segment(struct build *build)
{
	build_u32(build, PT_LOAD);
	if (build->is64)
		build_u32(build, PF_R | PF_X);
	build_word(build, BUILD_CODE_OFFSET);
	build_word(build, BUILD_CODE_ADDRESS);
	build_word(build, BUILD_CODE_ADDRESS);
	build_word(build, BUILD_CODE_SIZE);
	build_word(build, BUILD_CODE_SIZE);
	if (!build->is64)
		build_u32(build, PF_R | PF_X);
	build_word(build, 0x1000);
}

/*
 * A file with these symbols; `hidden`, when not NULL, is a file that goes into .gnu_debugdata.
 * The result's data is the caller's to free().
 */
static inline struct build build_elf(bool is64, bool big, uint16_t machine,
				     const struct build_symbol *symbols, size_t nr,
				     const struct build *hidden)
{
	static const char section_names[] = "\0.symtab\0.strtab\0.gnu_debugdata\0.names";
	size_t strings_len = 1, strings, table, packed_at, names, sections = 0, packed_len = 0;
	size_t entry = is64 ? sizeof(Elf64_Sym) : sizeof(Elf32_Sym);
	static uint8_t packed[65536];
	struct build build;

	if (hidden && lzma_easy_buffer_encode(6, LZMA_CHECK_CRC32, NULL, hidden->data, hidden->len,
					      packed, &packed_len, sizeof(packed)) != LZMA_OK)
		__builtin_trap();
	/* The first round only finds out where the section headers come to lie. */
	for (int round = 0; round < 2; round++) {
		uint32_t at = 1;

		build = (struct build){.is64 = is64, .big = big, .data = round ? build.data : NULL};
		build_header(&build, machine, sections);
		build_segment(&build);
		build_pad(&build, BUILD_CODE_OFFSET + BUILD_CODE_SIZE);
		table = build.len;
		build_symbol(&build, &(struct build_symbol){.name = ""}, 0);
		for (size_t i = 0; i < nr; i++) {
			build_symbol(&build, &symbols[i], at);
			at += (uint32_t)strlen(symbols[i].name) + 1;
		}
		strings = build.len;
		build_bytes(&build, "", 1);
		for (size_t i = 0; i < nr; i++)
			build_bytes(&build, symbols[i].name, strlen(symbols[i].name) + 1);
		strings_len = build.len - strings;
		packed_at = build.len;
		build_bytes(&build, packed, packed_len);
		names = build.len;
		build_bytes(&build, section_names, sizeof(section_names));
		build_pad(&build, (build.len + 7) / 8 * 8);
		sections = build.len;
		build_section(&build, 0, SHT_NULL, 0, 0, 0, 0);
		build_section(&build, 1, SHT_SYMTAB, table, entry * (nr + 1), 2, entry);
		build_section(&build, 9, SHT_STRTAB, strings, strings_len, 0, 0);
		build_section(&build, 17, SHT_PROGBITS, packed_at, packed_len, 0, 0);
		build_section(&build, 32, SHT_STRTAB, names, sizeof(section_names), 0, 0);
	}
	return build;
}

#endif
