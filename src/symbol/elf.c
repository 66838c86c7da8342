/* SPDX-License-Identifier: MIT */
/*
 * A function by its name. All symbol tables are read (symbol/files.h), and what they say of one
 * address counts once. Addresses become offsets by the main file's segments; the others have no
 * code in them.
 */
#include "symbol/elf.h"

#include <errno.h>
#include <gelf.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/closest.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/out.h"
#include "symbol/files.h"

#define MATCHES_MAX    64u
#define LISTED_MATCHES 8u
#define STT_IFUNC      10 /* STT_GNU_IFUNC */

struct match {
	uint64_t address, size;
	bool is_ifunc;
	bool is_default; /* not one kept only for old programs */
};

struct search {
	const char *path;
	const char *name; /* without a version */
	size_t name_len;
	const char *version; /* NULL: the default one */
	struct match matches[MATCHES_MAX];
	size_t nr;
	bool is_import, is_data;
	struct closest *closest; /* second round: what is spelt nearly so */
};

/* --- reading symbols --- */

struct table {
	Elf *elf;
	Elf_Data *symbols, *versions; /* versions: of .dynsym, or NULL */
	Elf_Data *definitions;	      /* names of versions, or NULL */
	size_t nr, strings, definition_strings;
};

/* Name of version `index` of a .dynsym, or NULL. */
static const char *version_name(const struct table *table, unsigned int index)
{
	GElf_Verdef def;
	GElf_Verdaux aux;
	int offset = 0;

	for (unsigned int i = 0; table->definitions && i < LIMIT_STRING_BYTES; i++) {
		if (!gelf_getverdef(table->definitions, offset, &def))
			return NULL;
		if (def.vd_ndx == index &&
		    gelf_getverdaux(table->definitions, offset + (int)def.vd_aux, &aux))
			return elf_strptr(table->elf, table->definition_strings, aux.vda_name);
		if (!def.vd_next || def.vd_next > INT32_MAX - (unsigned int)offset)
			return NULL;
		offset += (int)def.vd_next;
	}
	return NULL;
}

/* Whether a symbol of the right name has the right version too; says whether it is the default. */
static bool version_matches(const struct search *search, const struct table *table, size_t index,
			    const char *suffix, bool *ret_default)
{
	const char *version = NULL;
	GElf_Versym versym;

	*ret_default = true;
	if (*suffix == '@') {
		*ret_default = suffix[1] == '@';
		version = suffix + 1 + *ret_default;
	} else if (table->versions && gelf_getversym(table->versions, (int)index, &versym)) {
		*ret_default = !(versym & 0x8000);
		if ((versym & 0x7fff) > 1)
			version = version_name(table, versym & 0x7fff);
	}
	return !search->version || (version && !strcmp(version, search->version));
}

static void add_match(struct search *search, const struct match *match)
{
	for (size_t i = 0; i < search->nr; i++) {
		struct match *have = &search->matches[i];

		if (have->address != match->address)
			continue;
		have->is_default |= match->is_default;
		have->is_ifunc |= match->is_ifunc;
		have->size = MAX(have->size, match->size);
		return;
	}
	if (search->nr < MATCHES_MAX)
		search->matches[search->nr++] = *match;
}

static void look_at(struct search *search, const struct table *table, size_t index,
		    const GElf_Sym *symbol, const char *name)
{
	int type = GELF_ST_TYPE(symbol->st_info);
	bool is_code = type == STT_FUNC || type == STT_IFUNC || type == STT_NOTYPE;
	struct match match = {
		.address = symbol->st_value,
		.size = symbol->st_size,
		.is_ifunc = type == STT_IFUNC,
	};

	if (search->closest) {
		if (is_code && symbol->st_shndx != SHN_UNDEF && !strchr(name, '@'))
			closest_try(search->closest, name);
		return;
	}
	if (strncmp(name, search->name, search->name_len) != 0 ||
	    (name[search->name_len] && name[search->name_len] != '@') ||
	    !version_matches(search, table, index, name + search->name_len, &match.is_default))
		return;
	if (symbol->st_shndx == SHN_UNDEF)
		search->is_import = true;
	else if (!is_code)
		search->is_data = true;
	else
		add_match(search, &match);
}

static void look_through_table(struct search *search, const struct table *table)
{
	for (size_t i = 1; i < table->nr; i++) {
		const char *name;
		GElf_Sym symbol;

		if (!gelf_getsym(table->symbols, (int)i, &symbol))
			return;
		name = elf_strptr(table->elf, table->strings, symbol.st_name);
		if (name && *name)
			look_at(search, table, i, &symbol, name);
	}
}

static void find_versions(struct table *table)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;

	while ((section = elf_nextscn(table->elf, section))) {
		if (!gelf_getshdr(section, &header))
			continue;
		if (header.sh_type == SHT_GNU_versym)
			table->versions = elf_getdata(section, NULL);
		if (header.sh_type != SHT_GNU_verdef)
			continue;
		table->definitions = elf_getdata(section, NULL);
		table->definition_strings = header.sh_link;
	}
}

static void look_through(struct search *search, Elf *elf)
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;

	while ((section = elf_nextscn(elf, section))) {
		struct table table = {.elf = elf};

		if (!gelf_getshdr(section, &header) ||
		    (header.sh_type != SHT_SYMTAB && header.sh_type != SHT_DYNSYM))
			continue;
		table.symbols = elf_getdata(section, NULL);
		if (!table.symbols || !header.sh_entsize)
			continue;
		table.nr = MIN(header.sh_size / header.sh_entsize, (uint64_t)LIMIT_SYMBOLS);
		table.strings = header.sh_link;
		if (header.sh_type == SHT_DYNSYM)
			find_versions(&table);
		look_through_table(search, &table);
	}
}

/* --- the answer --- */

/* -ENOENT when no segment of code has that address. */
static int file_offset(Elf *elf, uint64_t address, uint64_t *ret_offset)
{
	GElf_Phdr segment;
	size_t nr;

	if (elf_getphdrnum(elf, &nr) < 0)
		return -ENOENT;
	for (size_t i = 0; i < nr && i < LIMIT_SECTIONS; i++) {
		if (!gelf_getphdr(elf, (int)i, &segment) || segment.p_type != PT_LOAD ||
		    !(segment.p_flags & PF_X) || address < segment.p_vaddr ||
		    address - segment.p_vaddr >= segment.p_filesz)
			continue;
		*ret_offset = address - segment.p_vaddr + segment.p_offset;
		return 0;
	}
	return -ENOENT;
}

static int not_unique(const struct search *search, Elf *elf, struct err *err)
{
	_cleanup_out_ struct out list = {0};

	for (size_t i = 0; i < search->nr && i < LISTED_MATCHES; i++) {
		uint64_t offset;

		if (file_offset(elf, search->matches[i].address, &offset) < 0)
			continue;
		out_printf(&list, "%s%s:0x%llx", list.len ? ", " : "", i ? "" : search->path,
			   (unsigned long long)offset);
	}
	if (search->nr > LISTED_MATCHES)
		out_str(&list, ", ...");
	return err_set(err, -ENOTUNIQ,
		       "%zu functions of %.100s have the name '%.60s'; take one by its offset: "
		       "%.250s",
		       search->nr, search->path, search->name, out_cstr(&list));
}

/* Of several versions the default one is meant. Leaves the functions that it can be. */
static void choose(struct search *search, Elf *elf)
{
	bool any_default = false;
	uint64_t ignored;
	size_t nr = 0;

	for (size_t i = 0; i < search->nr; i++) {
		if (file_offset(elf, search->matches[i].address, &ignored) < 0)
			search->is_data = true;
		else
			search->matches[nr++] = search->matches[i];
	}
	search->nr = nr;
	for (size_t i = 0; i < search->nr; i++)
		any_default |= search->matches[i].is_default;
	if (!any_default)
		return;
	nr = 0;
	for (size_t i = 0; i < search->nr; i++) {
		if (search->matches[i].is_default)
			search->matches[nr++] = search->matches[i];
	}
	search->nr = nr;
}

static int not_found(struct search *search, const struct symbol_files *files, struct err *err)
{
	struct closest closest;
	const char *near;

	if (search->is_import)
		return err_set(err, -ENOENT,
			       "'%.80s' is not defined in %s, only called there; name the library "
			       "that it comes from",
			       search->name, search->path);
	if (search->is_data)
		return err_set(err, -ENOENT, "'%.80s' of %s is data, not a function", search->name,
			       search->path);
	closest_init(&closest, search->name, search->name_len);
	search->closest = &closest;
	for (size_t i = 0; i < files->nr; i++)
		look_through(search, files->elves[i]);
	near = closest_found(&closest);
	if (near)
		return err_set(err, -ENOENT, "%s has no function '%.80s'; did you mean '%.80s'?",
			       search->path, search->name, near);
	return err_set(err, -ENOENT,
		       "%s has no function '%.80s' (a stripped file names only what it exports; "
		       "an offset, PATH:0xOFFSET, can be given always)",
		       search->path, search->name);
}

static int answer(struct search *search, const struct symbol_files *files,
		  struct symbol_function *ret_function, struct err *err)
{
	Elf *elf = files->elves[0];
	struct symbol_function found;
	GElf_Ehdr header;

	choose(search, elf);
	if (!search->nr)
		return not_found(search, files, err);
	if (search->nr > 1)
		return not_unique(search, elf, err);
	if (search->matches[0].is_ifunc)
		return err_set(
			err, -EOPNOTSUPP,
			"'%.80s' of %s is not one function: the loader chooses among several "
			"for this processor (IFUNC); name that one",
			search->name, search->path);
	found = (struct symbol_function){
		.address = search->matches[0].address,
		.size = search->matches[0].size,
	};
	/* The lowest bit of an arm address only says that the code is Thumb. */
	if (gelf_getehdr(elf, &header) && header.e_machine == EM_ARM)
		found.address &= ~1ull;
	if (file_offset(elf, found.address, &found.offset) < 0)
		return not_found(search, files, err);
	*ret_function = found;
	return 0;
}

int symbol_function_find(const char *path, const char *name, struct symbol_function *ret_function,
			 struct err *err)
{
	const char *at = strchr(name, '@');
	size_t name_len = at ? (size_t)(at - name) : strlen(name);
	_cleanup_free_ char *bare = mem_strndup(name, name_len);
	struct search search = {.path = path, .name = bare, .name_len = name_len};
	struct symbol_files files;
	int r;

	if (!bare)
		return err_sys(err, -ENOMEM, "cannot look for a function in %s", path);
	if (at)
		search.version = at + 1 + (at[1] == '@');
	r = symbol_files_open(&files, path, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < files.nr; i++)
		look_through(&search, files.elves[i]);
	r = answer(&search, &files, ret_function, err);
	symbol_files_close(&files);
	return r;
}

int symbol_function_place(const char *path, const char *name, uint64_t offset, uint64_t *ret_place,
			  struct err *err)
{
	struct symbol_function function;
	int r = symbol_function_find(path, name, &function, err);

	if (r < 0)
		return r;
	if (function.size && offset >= function.size)
		return err_set(err, -EINVAL,
			       "%.100s+0x%llx lies behind the function's end (%llu bytes)", name,
			       (unsigned long long)offset, (unsigned long long)function.size);
	*ret_place = function.offset + offset;
	return 0;
}
