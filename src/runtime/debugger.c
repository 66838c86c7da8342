/* SPDX-License-Identifier: MIT */
/*
 * What debuggers are told of the stubs, so that they can unwind through them: gdb does not ask the
 * loader for frame descriptions, but looks for code made at run time in a list of ELF files in
 * memory (its JIT interface, which lldb has too). The file of an arena has the arena's code and
 * frame descriptions as sections where they are, and stands behind the arena's words.
 */
#include <elf.h>

#include "runtime/runtime.h"

/* The interface, as gdb's manual gives it. Hidden, for others in the process may have theirs. */
enum jit_action {
	JIT_NOTHING,
	JIT_REGISTER,
	JIT_UNREGISTER,
};

struct jit_descriptor {
	uint32_t version;
	uint32_t action; /* enum jit_action */
	struct rt_debugger_file *changed, *first;
};

void __jit_debug_register_code(void);
extern struct jit_descriptor __jit_debug_descriptor;
__attribute__((used)) struct jit_descriptor __jit_debug_descriptor = {.version = 1};

/* A debugger has a breakpoint here. */
__attribute__((used, noinline)) void __jit_debug_register_code(void)
{
	__asm__ volatile("" : : : "memory");
}

enum section {
	SECTION_NONE,
	SECTION_TEXT,
	SECTION_FRAMES,
	SECTION_SYMBOLS,
	SECTION_STRINGS,
	NR_SECTIONS
};

static const char strings[] = "\0.text\0.eh_frame\0.symtab\0.strtab\0sonde_stub";
#define NAME_TEXT    1u
#define NAME_FRAMES  7u
#define NAME_SYMBOLS 17u
#define NAME_STRINGS 25u
#define NAME_STUB    33u

struct file {
	Elf64_Ehdr header;
	Elf64_Shdr sections[NR_SECTIONS];
	Elf64_Sym symbols[2];
	char strings[sizeof(strings)];
};
_Static_assert(RT_DEBUGGER_AT + sizeof(struct file) <= PROGRAM_WORDS_BYTES, "room in the page");

void rt_debugger_write(const struct program_image_header *image, uint64_t arena)
{
	struct file *file = (struct file *)(arena + RT_DEBUGGER_AT);
	uint64_t stubs = arena + PROGRAM_WORDS_BYTES, here = (uint64_t)file;

	*file = (struct file){
		.header =
			{
				.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
					    ELFDATA2LSB, EV_CURRENT},
				.e_type = ET_EXEC,
				.e_machine = EM_X86_64,
				.e_version = EV_CURRENT,
				.e_shoff = offsetof(struct file, sections),
				.e_ehsize = sizeof(Elf64_Ehdr),
				.e_shentsize = sizeof(Elf64_Shdr),
				.e_shnum = NR_SECTIONS,
				.e_shstrndx = SECTION_STRINGS,
			},
		.symbols[1] =
			{
				.st_name = NAME_STUB,
				.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
				.st_shndx = SECTION_TEXT,
				.st_value = stubs,
				.st_size = image->code_bytes,
			},
	};
	file->sections[SECTION_TEXT] = (Elf64_Shdr){
		.sh_name = NAME_TEXT,
		.sh_type = SHT_NOBITS,
		.sh_flags = SHF_ALLOC | SHF_EXECINSTR,
		.sh_addr = stubs,
		.sh_offset = stubs - here,
		.sh_size = image->code_bytes,
		.sh_addralign = PROGRAM_STUB_ALIGN,
	};
	file->sections[SECTION_FRAMES] = (Elf64_Shdr){
		.sh_name = NAME_FRAMES,
		.sh_type = SHT_PROGBITS,
		.sh_flags = SHF_ALLOC,
		.sh_addr = stubs + image->eh_frame,
		.sh_offset = stubs + image->eh_frame - here,
		.sh_size = image->eh_frame_bytes,
		.sh_addralign = 8,
	};
	file->sections[SECTION_SYMBOLS] = (Elf64_Shdr){
		.sh_name = NAME_SYMBOLS,
		.sh_type = SHT_SYMTAB,
		.sh_offset = offsetof(struct file, symbols),
		.sh_size = sizeof(file->symbols),
		.sh_link = SECTION_STRINGS,
		.sh_info = 1,
		.sh_entsize = sizeof(Elf64_Sym),
	};
	file->sections[SECTION_STRINGS] = (Elf64_Shdr){
		.sh_name = NAME_STRINGS,
		.sh_type = SHT_STRTAB,
		.sh_offset = offsetof(struct file, strings),
		.sh_size = sizeof(strings),
	};
	memcpy(file->strings, strings, sizeof(strings));
}

static void tell(enum jit_action action, struct rt_debugger_file *file)
{
	__jit_debug_descriptor.action = action;
	__jit_debug_descriptor.changed = file;
	__jit_debug_register_code();
	__jit_debug_descriptor.action = JIT_NOTHING;
}

void rt_debugger_add(struct rt_debugger_file *file, const struct rt_arena *arena)
{
	*file = (struct rt_debugger_file){
		.next = __jit_debug_descriptor.first,
		.address = arena->low + RT_DEBUGGER_AT,
		.size = arena->size - RT_DEBUGGER_AT,
	};
	if (file->next)
		file->next->prev = file;
	__jit_debug_descriptor.first = file;
	tell(JIT_REGISTER, file);
}

void rt_debugger_remove(struct rt_debugger_file *file)
{
	if (!file->address)
		return;
	if (file->next)
		file->next->prev = file->prev;
	if (file->prev)
		file->prev->next = file->next;
	else
		__jit_debug_descriptor.first = file->next;
	tell(JIT_UNREGISTER, file);
}
