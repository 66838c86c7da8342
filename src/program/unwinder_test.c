/* SPDX-License-Identifier: MIT */
/*
 * Which functions are taken for parts of an unwinder: by their names, and in a stripped program by
 * what they ask the loader. The program is made up: its code, and an ELF file with the relocation
 * of one word.
 */
#include <elf.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "base/test.h"
#include "program/internal.h"

#define TEXT	   0x1000u
#define TEXT_BYTES 0x20000u
#define WORD	   0x40000u /* holds the address of the loader's function */
#define LINKAGE	   0x1010u

/* An unwinder is within 16 KiB of what asks. */
enum {
	FAR_BEFORE,
	NEAR_BEFORE,
	ASKS,
	NEAR_BEHIND,
	LAST_NEAR,
	FAR_BEHIND,
	NR
};
static const uint64_t addresses[NR] = {
	[FAR_BEFORE] = 0xcfff,	 [NEAR_BEFORE] = 0xd000, [ASKS] = 0x11000,
	[NEAR_BEHIND] = 0x11020, [LAST_NEAR] = 0x15000,	 [FAR_BEHIND] = 0x15001,
};

struct file {
	Elf64_Ehdr header;
	Elf64_Sym symbols[2];
	Elf64_Rela relocation;
	char strings[32], names[64];
	Elf64_Shdr sections[6];
};

struct scene {
	struct file file;
	struct program_elf elf;
	struct program_text text;
	struct program_function functions[NR];
	uint16_t flags[NR];
	uint32_t imports[1];
	uint8_t code[TEXT_BYTES];
	struct plan plan;
};

static void put_section(struct file *file, size_t index, const char *name, uint32_t type,
			const void *at, size_t size, uint32_t link, size_t entry)
{
	Elf64_Shdr *section = &file->sections[index];
	char *names = file->names + index * 10;

	memcpy(names, name, strlen(name) + 1);
	*section = (Elf64_Shdr){
		.sh_name = (uint32_t)(names - file->names),
		.sh_type = type,
		.sh_offset = (size_t)((const char *)at - (const char *)file),
		.sh_size = size,
		.sh_link = link,
		.sh_entsize = entry,
	};
}

static void make_file(struct file *file, const char *import, bool has_tables)
{
	file->header = (Elf64_Ehdr){
		.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
		.e_type = ET_DYN,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_shoff = offsetof(struct file, sections),
		.e_ehsize = sizeof(Elf64_Ehdr),
		.e_shentsize = sizeof(Elf64_Shdr),
		.e_shnum = 6,
		.e_shstrndx = 4,
	};
	file->symbols[1].st_name = 1;
	memcpy(file->strings + 1, import, strlen(import) + 1);
	file->relocation = (Elf64_Rela){WORD, ELF64_R_INFO(1, R_X86_64_GLOB_DAT), 0};
	put_section(file, 1, ".dynsym", SHT_DYNSYM, file->symbols, sizeof(file->symbols), 2,
		    sizeof(Elf64_Sym));
	put_section(file, 2, ".dynstr", SHT_STRTAB, file->strings, sizeof(file->strings), 0, 0);
	put_section(file, 3, ".rela", SHT_RELA, &file->relocation, sizeof(file->relocation), 1,
		    sizeof(Elf64_Rela));
	put_section(file, 4, ".names", SHT_STRTAB, file->names, sizeof(file->names), 0, 0);
	put_section(file, 5, ".tables", SHT_PROGBITS, file->strings, 1, 0, 0);
	if (has_tables) {
		file->sections[5].sh_name = 42;
		memcpy(file->names + 42, ".gcc_except_table", 18);
	}
}

static struct scene *scene_new(const char *import, bool has_tables)
{
	struct scene *scene = mem_zalloc(sizeof(*scene));

	if (!scene || elf_version(EV_CURRENT) == EV_NONE)
		abort();
	make_file(&scene->file, import, has_tables);
	for (size_t i = 0; i < NR; i++)
		scene->functions[i].address = addresses[i];
	scene->text =
		(struct program_text){.address = TEXT, .bytes = TEXT_BYTES, .code = scene->code};
	scene->imports[0] = 1;
	scene->elf = (struct program_elf){
		.functions = scene->functions,
		.nr_functions = NR,
		.texts = &scene->text,
		.nr_texts = 1,
		.imports = scene->imports,
		.nr_imports = 1,
	};
	scene->plan.elf = &scene->elf;
	scene->plan.flags = scene->flags;
	scene->plan.files.nr = 1;
	scene->plan.files.elves[0] = elf_memory((char *)&scene->file, sizeof(scene->file));
	out_char(&scene->plan.names, '\0');
	out_str(&scene->plan.names, import);
	out_char(&scene->plan.names, '\0');
	return scene;
}

static void scene_free(struct scene *scene)
{
	elf_end(scene->plan.files.elves[0]);
	out_done(&scene->plan.names);
	mem_free(scene);
}

/* An instruction that ends with its distance to `target`. */
static void put_code(struct scene *scene, uint64_t address, const char *bytes, size_t len,
		     uint64_t target)
{
	uint8_t *at = scene->code + (address - TEXT);

	memcpy(at, bytes, len);
	store_u32(at + len, (uint32_t)(target - (address + len + 4)), false);
}

/* A bit for each function that is seen at entry only; frees the scene. */
static unsigned int spared(struct scene *scene)
{
	unsigned int bits = 0;

	plan_spare_unwinder(&scene->plan);
	for (size_t i = 0; i < NR; i++)
		bits |= (unsigned int)scene->functions[i].entry_only << i;
	scene_free(scene);
	return bits;
}

#define NEAR (1u << NEAR_BEFORE | 1u << ASKS | 1u << NEAR_BEHIND | 1u << LAST_NEAR)

TEST(what_is_near_a_named_part)
{
	struct scene *scene = scene_new("other", false);

	scene->flags[ASKS] = START_UNWINDER;
	CHECK_EQ(spared(scene), NEAR);
	CHECK_EQ(spared(scene_new("other", false)), 0);
}

TEST(who_uses_the_word)
{
	static const struct {
		const char *bytes;
		size_t len;
	} uses[] = {{"\xff\x15", 2}, {"\x48\x8b\x05", 3}, {"\x4c\x8b\x3d", 3}};

	for (size_t i = 0; i < ARRAY_SIZE(uses); i++) {
		struct scene *scene = scene_new("_dl_find_object", false);

		put_code(scene, 0x11004, uses[i].bytes, uses[i].len, WORD);
		CHECK_EQ(spared(scene), NEAR);
		/* Another word is nobody's. */
		scene = scene_new("_dl_find_object", false);
		put_code(scene, 0x11004, uses[i].bytes, uses[i].len, WORD + 8);
		CHECK_EQ(spared(scene), 0);
	}
}

TEST(who_calls_the_linkage)
{
	static const struct {
		const char *bytes;
		size_t before; /* its jump */
		const char *call;
	} kinds[] = {
		{"\xff\x25", 0, "\xe8"},		     /* jmp *word */
		{"\xf3\x0f\x1e\xfa\xff\x25", 4, "\xe8"},     /* behind endbr64 */
		{"\xf3\x0f\x1e\xfa\xf2\xff\x25", 5, "\xe9"}, /* and bnd; a tail call */
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct scene *scene = scene_new("_dl_find_object", false);

		put_code(scene, LINKAGE, kinds[i].bytes, kinds[i].before + 2, WORD);
		put_code(scene, 0x11010, kinds[i].call, 1, LINKAGE);
		CHECK_EQ(spared(scene), NEAR);
		/* Whoever calls what stands before it is another one. */
		scene = scene_new("_dl_find_object", false);
		put_code(scene, LINKAGE, kinds[i].bytes, kinds[i].before + 2, WORD);
		put_code(scene, 0x11010, kinds[i].call, 1, LINKAGE - 16);
		CHECK_EQ(spared(scene), 0);
	}
}

/* Many ask for a list of modules; an unwinder does where there are exceptions. */
TEST(who_may_have_an_unwinder)
{
	static const struct {
		const char *import;
		bool has_tables, is_one;
	} kinds[] = {
		{"_dl_find_object", false, true},
		{"dl_iterate_phdr", true, true},
		{"dl_iterate_phdr", false, false},
		{"_Unwind_Resume", true, false}, /* another module's */
		{"dladdr", true, false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct scene *scene = scene_new(kinds[i].import, kinds[i].has_tables);

		put_code(scene, 0x11004, "\xff\x15", 2, WORD);
		CHECK_EQ(spared(scene), kinds[i].is_one ? NEAR : 0);
	}
}

TEST(code_that_ends_in_the_middle)
{
	struct scene *scene = scene_new("_dl_find_object", false);

	/* The last bytes look like the beginning of a use, and of a call. */
	memcpy(scene->code + TEXT_BYTES - 2, "\xff\x15", 2);
	CHECK_EQ(spared(scene), 0);
	scene = scene_new("_dl_find_object", false);
	put_code(scene, LINKAGE, "\xff\x25", 2, WORD);
	scene->code[TEXT_BYTES - 1] = 0xe8;
	CHECK_EQ(spared(scene), 0);
}

TEST_MAIN()
