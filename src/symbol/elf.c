/* SPDX-License-Identifier: MIT */
/*
 * Three tables may name a function: .symtab (often stripped), .dynsym (what a file exports), and
 * the small .symtab inside .gnu_debugdata, an ELF file of its own, compressed with xz. Debugging
 * symbols may also be installed beside, in a file named by the build-id. All of them are read, and
 * what they say of one address counts once. Addresses become offsets by the main file's segments;
 * the others have no code in them.
 */
#include "symbol/elf.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <lzma.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/closest.h"
#include "base/io.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/out.h"

#define MATCHES_MAX    64u
#define LISTED_MATCHES 8u
#define BUILD_ID_MAX   64u
#define DEBUG_DIR      "/usr/lib/debug/.build-id"
#define XZ_MEMORY      (128u << 20)
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

/* One of the files that are looked through. */
struct elf_file {
	int fd;
	char *data; /* of one in memory; owned */
	Elf *elf;
};
#define ELF_FILE_INIT ((struct elf_file){.fd = -1})

static void elf_file_close(struct elf_file *file)
{
	elf_end(file->elf);
	io_close(file->fd);
	mem_free(file->data);
}

static int elf_file_open(struct elf_file *ret_file, const char *path, struct err *err)
{
	struct elf_file file = ELF_FILE_INIT;
	struct stat st;

	elf_version(EV_CURRENT);
	do {
		file.fd = io_open(path, O_RDONLY | O_NONBLOCK, 0);
	} while (file.fd == -EINTR);
	if (file.fd < 0)
		return err_sys(err, file.fd, "cannot look for a function in %s", path);
	if (io_fstat(file.fd, &st) == 0 && !S_ISREG(st.st_mode)) {
		io_close(file.fd);
		return err_set(err, -EBADMSG, "cannot look for a function in %s: not a file", path);
	}
	file.elf = elf_begin(file.fd, ELF_C_READ, NULL);
	if (file.elf && elf_kind(file.elf) == ELF_K_ELF) {
		*ret_file = file;
		return 0;
	}
	elf_file_close(&file);
	return err_set(err, -EBADMSG,
		       "cannot look for a function in %s: it is no program or library (ELF file); "
		       "for a script, name its interpreter",
		       path);
}

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

/* --- the other files --- */

static Elf_Scn *find_section(Elf *elf, const char *wanted, GElf_Shdr *ret_header)
{
	Elf_Scn *section = NULL;
	size_t strings;

	if (elf_getshdrstrndx(elf, &strings) < 0)
		return NULL;
	while ((section = elf_nextscn(elf, section))) {
		const char *name;

		if (!gelf_getshdr(section, ret_header))
			continue;
		name = elf_strptr(elf, strings, ret_header->sh_name);
		if (name && !strcmp(name, wanted))
			return section;
	}
	return NULL;
}

/* xz text that says nothing of its size: 0 or -errno. */
static int expand_xz(const void *data, size_t len, char **ret_data, size_t *ret_len)
{
	_cleanup_free_ char *out = NULL;
	lzma_stream stream = LZMA_STREAM_INIT;
	size_t size = MAX(MIN(len * 4, (size_t)LIMIT_EXPAND_BYTES), (size_t)4096);
	lzma_ret r = lzma_stream_decoder(&stream, XZ_MEMORY, 0);

	stream.next_in = data;
	stream.avail_in = len;
	for (size_t used = 0; r == LZMA_OK && size <= LIMIT_EXPAND_BYTES; size *= 2) {
		char *more = mem_realloc(out, size);

		if (!more)
			break;
		out = more;
		stream.next_out = (uint8_t *)out + used;
		stream.avail_out = size - used;
		r = lzma_code(&stream, LZMA_FINISH);
		used = size - stream.avail_out;
		*ret_len = used;
	}
	lzma_end(&stream);
	if (r != LZMA_STREAM_END)
		return -EBADMSG;
	*ret_data = steal(&out);
	return 0;
}

/* The ELF file inside .gnu_debugdata. A file without it, or with rubbish in it, has none. */
static bool open_debugdata(struct elf_file *ret_file, Elf *elf)
{
	struct elf_file file = ELF_FILE_INIT;
	GElf_Shdr header;
	Elf_Scn *section = find_section(elf, ".gnu_debugdata", &header);
	Elf_Data *packed = section ? elf_rawdata(section, NULL) : NULL;
	size_t len = 0;

	if (!packed || !packed->d_buf || header.sh_type == SHT_NOBITS ||
	    expand_xz(packed->d_buf, packed->d_size, &file.data, &len) < 0)
		return false;
	file.elf = elf_memory(file.data, len);
	if (file.elf && elf_kind(file.elf) == ELF_K_ELF) {
		*ret_file = file;
		return true;
	}
	elf_file_close(&file);
	return false;
}

static size_t build_id(Elf *elf, uint8_t ret_id[BUILD_ID_MAX])
{
	Elf_Scn *section = NULL;
	GElf_Shdr header;

	while ((section = elf_nextscn(elf, section))) {
		size_t offset = 0, name, desc;
		Elf_Data *data;
		GElf_Nhdr note;

		if (!gelf_getshdr(section, &header) || header.sh_type != SHT_NOTE)
			continue;
		data = elf_getdata(section, NULL);
		while (data && (offset = gelf_getnote(data, offset, &note, &name, &desc)) > 0) {
			if (note.n_type != NT_GNU_BUILD_ID || note.n_namesz != 4 ||
			    memcmp((char *)data->d_buf + name, "GNU", 4) != 0 ||
			    note.n_descsz < 2 || note.n_descsz > BUILD_ID_MAX)
				continue;
			memcpy(ret_id, (char *)data->d_buf + desc, note.n_descsz);
			return note.n_descsz;
		}
	}
	return 0;
}

/* The file of debugging symbols of the same build. */
static bool open_debug_file(struct elf_file *ret_file, Elf *elf)
{
	_cleanup_out_ struct out path = {0};
	uint8_t id[BUILD_ID_MAX];
	size_t len = build_id(elf, id);
	struct err ignored;
	struct stat st;

	if (!len)
		return false;
	out_str(&path, DEBUG_DIR "/");
	for (size_t i = 0; i < len; i++) {
		out_hex_byte(&path, id[i]);
		if (i == 0)
			out_char(&path, '/');
	}
	out_str(&path, ".debug");
	return !path.failed && io_stat(out_cstr(&path), &st) == 0 &&
	       elf_file_open(ret_file, out_cstr(&path), &ignored) == 0;
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

static int not_found(struct search *search, const struct elf_file *files, size_t nr_files,
		     struct err *err)
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
	for (size_t i = 0; i < nr_files; i++)
		look_through(search, files[i].elf);
	near = closest_found(&closest);
	if (near)
		return err_set(err, -ENOENT, "%s has no function '%.80s'; did you mean '%.80s'?",
			       search->path, search->name, near);
	return err_set(err, -ENOENT,
		       "%s has no function '%.80s' (a stripped file names only what it exports; "
		       "an offset, PATH:0xOFFSET, can be given always)",
		       search->path, search->name);
}

static int answer(struct search *search, const struct elf_file *files, size_t nr_files,
		  struct symbol_function *ret_function, struct err *err)
{
	Elf *elf = files[0].elf;
	struct symbol_function found;
	GElf_Ehdr header;

	choose(search, elf);
	if (!search->nr)
		return not_found(search, files, nr_files, err);
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
		return not_found(search, files, nr_files, err);
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
	struct elf_file files[3];
	size_t nr_files = 0;
	int r;

	if (!bare)
		return err_sys(err, -ENOMEM, "cannot look for a function in %s", path);
	if (at)
		search.version = at + 1 + (at[1] == '@');
	r = elf_file_open(&files[0], path, err);
	if (r < 0)
		return r;
	nr_files++;
	nr_files += open_debugdata(&files[nr_files], files[0].elf);
	nr_files += open_debug_file(&files[nr_files], files[0].elf);
	for (size_t i = 0; i < nr_files; i++)
		look_through(&search, files[i].elf);
	r = answer(&search, files, nr_files, ret_function, err);
	while (nr_files)
		elf_file_close(&files[--nr_files]);
	return r;
}
