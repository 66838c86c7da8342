/* SPDX-License-Identifier: MIT */
/*
 * The notes. A linker may move what the notes speak of after they were written (prelink): the
 * section .stapsdt.base moves with it, and each note says where that was when it was written.
 */
#include "symbol/usdt.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/mem.h"

#define NOTE_NAME "stapsdt"
#define NOTE_TYPE 3u
#define NOTES_MAX 65536u

struct reading {
	struct usdt_notes *notes;
	Elf *elf;
	bool is64, big;
	uint64_t base; /* address of .stapsdt.base, or 0 */
};

/* The string at *at, which goes on behind it; NULL when it does not end. */
static const char *next_text(const char **at, const char *end)
{
	const char *text = *at, *nul = memchr(text, '\0', (size_t)(end - text));

	*at = nul ? nul + 1 : end;
	return nul ? text : NULL;
}

static uint64_t load_address(const struct reading *reading, const char *at)
{
	return reading->is64 ? load_u64(at, reading->big) : load_u32(at, reading->big);
}

static int add_note(struct reading *reading, const char *desc, size_t bytes)
{
	size_t word = reading->is64 ? 8 : 4;
	const char *at = desc + 3 * word, *end = desc + bytes;
	struct usdt_notes *notes = reading->notes;
	struct usdt_note note;
	uint64_t base;
	int r;

	if (bytes < 3 * word)
		return 0;
	note.address = load_address(reading, desc);
	base = load_address(reading, desc + word);
	note.semaphore = load_address(reading, desc + 2 * word);
	note.provider = next_text(&at, end);
	note.name = note.provider ? next_text(&at, end) : NULL;
	note.args = note.name ? next_text(&at, end) : NULL;
	if (!note.args || !*note.provider || !*note.name)
		return 0;
	if (reading->base) {
		note.address += reading->base - base;
		note.semaphore += note.semaphore ? reading->base - base : 0;
	}
	note.provider = arena_strdup(&notes->arena, note.provider);
	note.name = arena_strdup(&notes->arena, note.name);
	note.args = arena_strdup(&notes->arena, note.args);
	r = array_reserve(&notes->list, &notes->cap, notes->nr + 1, sizeof(note));
	if (r < 0 || !note.provider || !note.name || !note.args)
		return -ENOMEM;
	notes->list[notes->nr++] = note;
	return 0;
}

static int read_section(struct reading *reading, Elf_Data *data)
{
	size_t offset = 0, name, desc;
	GElf_Nhdr note;
	int r = 0;

	while (r == 0 && reading->notes->nr < NOTES_MAX &&
	       (offset = gelf_getnote(data, offset, &note, &name, &desc)) > 0) {
		const char *bytes = data->d_buf;

		if (note.n_type == NOTE_TYPE && note.n_namesz == sizeof(NOTE_NAME) &&
		    !memcmp(bytes + name, NOTE_NAME, sizeof(NOTE_NAME)))
			r = add_note(reading, bytes + desc, note.n_descsz);
	}
	return r;
}

int usdt_notes_read(struct usdt_notes *ret_notes, Elf *elf)
{
	struct usdt_notes notes = {0};
	struct reading reading = {.notes = &notes, .elf = elf};
	GElf_Shdr header;
	GElf_Ehdr ehdr;
	Elf_Scn *section = symbol_section(elf, ".stapsdt.base", &header);
	Elf_Data *data;
	int r = 0;

	if (section)
		reading.base = header.sh_addr;
	section = symbol_section(elf, ".note.stapsdt", &header);
	if (section && header.sh_type == SHT_NOTE && gelf_getehdr(elf, &ehdr)) {
		reading.is64 = ehdr.e_ident[EI_CLASS] == ELFCLASS64;
		reading.big = ehdr.e_ident[EI_DATA] == ELFDATA2MSB;
		data = elf_getdata(section, NULL);
		r = data ? read_section(&reading, data) : 0;
	}
	if (r < 0) {
		usdt_notes_done(&notes);
		return r;
	}
	*ret_notes = notes;
	return 0;
}

void usdt_notes_done(struct usdt_notes *notes)
{
	arena_done(&notes->arena);
	mem_free(notes->list);
	*notes = (struct usdt_notes){0};
}

/* --- names in arguments --- */

static bool find_in_table(Elf *elf, Elf_Scn *section, const GElf_Shdr *header, const char *name,
			  size_t len, uint64_t *ret_address)
{
	Elf_Data *data = elf_getdata(section, NULL);
	size_t nr = data && header->sh_entsize
			    ? MIN(header->sh_size / header->sh_entsize, (uint64_t)LIMIT_SYMBOLS)
			    : 0;

	for (size_t i = 1; i < nr; i++) {
		const char *text;
		GElf_Sym symbol;

		if (!gelf_getsym(data, (int)i, &symbol))
			return false;
		if (symbol.st_shndx == SHN_UNDEF || GELF_ST_TYPE(symbol.st_info) == STT_TLS)
			continue;
		text = elf_strptr(elf, header->sh_link, symbol.st_name);
		if (text && !strncmp(text, name, len) && (!text[len] || text[len] == '@')) {
			*ret_address = symbol.st_value;
			return true;
		}
	}
	return false;
}

bool usdt_symbol(void *ctx, const char *name, size_t len, uint64_t *ret_address)
{
	const struct symbol_files *files = ctx;

	for (size_t i = 0; i < files->nr; i++) {
		Elf_Scn *section = NULL;
		GElf_Shdr header;

		while ((section = elf_nextscn(files->elves[i], section))) {
			if (gelf_getshdr(section, &header) &&
			    (header.sh_type == SHT_SYMTAB || header.sh_type == SHT_DYNSYM) &&
			    find_in_table(files->elves[i], section, &header, name, len,
					  ret_address))
				return true;
		}
	}
	return false;
}

/* --- for people --- */

void usdt_print(struct out *out, const struct usdt_note *note, struct symbol_files *files)
{
	struct usdt_arg args[USDT_ARGS_MAX];
	size_t nr = usdt_args(note->args, usdt_symbol, files, args);

	out_printf(out, "usdt:%s:%s 0x%llx", note->provider, note->name,
		   (unsigned long long)note->address);
	for (size_t i = 0; i < nr; i++) {
		const struct usdt_arg *arg = &args[i];

		out_printf(out, " arg%zu=%.*s", i + 1, (int)arg->text_len, arg->text);
		if (arg->kind == USDT_REFUSED)
			out_printf(out, " (not recorded: %s)", arg->refused);
		else
			out_printf(out, ":%s", usdt_type(arg));
	}
	if (note->semaphore)
		out_str(out, " (semaphore)");
	out_char(out, '\n');
}
