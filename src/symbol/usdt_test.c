/* SPDX-License-Identifier: MIT */
/* Notes of probes in made-up files of every kind, and arguments as compilers write them. */
#include "base/test.h"

#include <errno.h>

#include "base/mem.h"
#include "symbol/elf_build_test.h"
#include "symbol/usdt.h"

#define NOTE_BASE    0x1000u
#define SECTION_BASE 0x1500u

/* --- notes --- */

static void add_note(struct build *build, uint32_t type, uint64_t address, uint64_t semaphore,
		     const char *texts, size_t len)
{
	build_u32(build, 8);
	build_u32(build, (uint32_t)((build->is64 ? 24 : 12) + len));
	build_u32(build, type);
	build_bytes(build, "stapsdt", 8);
	build_word(build, address);
	build_word(build, NOTE_BASE);
	build_word(build, semaphore);
	build_bytes(build, texts, len);
	build_pad(build, (build->len + 3) / 4 * 4);
}
#define TEXTS(texts) texts, sizeof(texts)

static void add_section(struct build *build, uint32_t name, uint32_t type, uint64_t address,
			size_t offset, size_t size)
{
	build_u32(build, name);
	build_u32(build, type);
	build_word(build, 0);
	build_word(build, address);
	build_word(build, offset);
	build_word(build, size);
	build_u32(build, 0);
	build_u32(build, 0);
	build_word(build, 4);
	build_word(build, 0);
}

/* Where .stapsdt.base is; 0: the file has none. */
static struct build build_notes(bool is64, bool big, uint64_t base)
{
	static const char names[] = "\0.note.stapsdt\0.stapsdt.base\0.names";
	size_t sections = 0;
	struct build build;

	for (int round = 0; round < 2; round++) {
		size_t notes, end;

		build = (struct build){.is64 = is64, .big = big, .data = round ? build.data : NULL};
		build_header(&build, is64 ? EM_X86_64 : EM_PPC, sections);
		build_segment(&build);
		build_pad(&build, BUILD_CODE_OFFSET + BUILD_CODE_SIZE);
		notes = build.len;
		add_note(&build, 3, 0x1100, 0, TEXTS("app\0begin\0"));
		add_note(&build, 3, 0x1108, 0x2002, TEXTS("app\0end\0-4@%edi 8@-16(%rbp)"));
		add_note(&build, 7, 0x1110, 0, TEXTS("app\0other\0"));
		add_note(&build, 3, 0x1118, 0, "app\0cut", 7);
		add_note(&build, 3, 0x1120, 0, TEXTS("\0nobody's\0"));
		end = build.len;
		build_bytes(&build, names, sizeof(names));
		build_pad(&build, (build.len + 7) / 8 * 8);
		sections = build.len;
		add_section(&build, 0, SHT_NULL, 0, 0, 0);
		add_section(&build, 1, SHT_NOTE, 0, notes, end - notes);
		add_section(&build, base ? 15 : 0, SHT_PROGBITS, base, 0, 1);
		add_section(&build, 0, SHT_NULL, 0, 0, 0);
		add_section(&build, 29, SHT_STRTAB, 0, end, sizeof(names));
	}
	return build;
}

static void check_notes(const struct usdt_notes *notes, uint64_t moved)
{
	CHECK_EQ(notes->nr, 2);
	CHECK_STR(notes->list[0].provider, "app");
	CHECK_STR(notes->list[0].name, "begin");
	CHECK_STR(notes->list[0].args, "");
	CHECK_EQ(notes->list[0].address, 0x1100 + moved);
	CHECK_EQ(notes->list[0].semaphore, 0);
	CHECK_STR(notes->list[1].name, "end");
	CHECK_STR(notes->list[1].args, "-4@%edi 8@-16(%rbp)");
	CHECK_EQ(notes->list[1].address, 0x1108 + moved);
	CHECK_EQ(notes->list[1].semaphore, 0x2002 + moved);
}

static void notes_of(bool is64, bool big, uint64_t base, uint64_t moved)
{
	struct build build = build_notes(is64, big, base);
	struct usdt_notes notes = {0};
	Elf *elf;

	elf_version(EV_CURRENT);
	elf = elf_memory((char *)build.data, build.len);
	if (!elf || usdt_notes_read(&notes, elf) < 0)
		abort();
	check_notes(&notes, moved);
	usdt_notes_done(&notes);
	elf_end(elf);
	free(build.data);
}

TEST(notes_of_every_class_and_byte_order)
{
	for (unsigned int kind = 0; kind < 4 && !test_failed; kind++)
		notes_of(kind & 1, kind & 2, 0, 0);
}

TEST(a_linker_has_moved_what_the_notes_speak_of)
{
	notes_of(true, false, SECTION_BASE, SECTION_BASE - NOTE_BASE);
}

static bool fail_all(size_t size)
{
	(void)size;
	return true;
}

TEST(no_memory)
{
	struct build build = build_notes(true, false, 0);
	struct usdt_notes notes = {0};
	Elf *elf = elf_memory((char *)build.data, build.len);
	int r;

	mem_fault_hook = fail_all;
	r = usdt_notes_read(&notes, elf);
	mem_fault_hook = NULL;
	elf_end(elf);
	free(build.data);
	CHECK_EQ(r, -ENOMEM);
	CHECK_EQ(notes.nr, 0);
}

/* --- arguments --- */

static bool symbol(void *ctx, const char *name, size_t len, uint64_t *ret_address)
{
	(void)ctx;
	*ret_address = 0x4000;
	return len == 5 && !memcmp(name, "table", 5);
}

/* What an argument is, as text. */
static const char *shown(const char *text)
{
	static const char *const kinds[] = {"no", "reg", "mem", "const"};
	static char line[200];
	struct usdt_arg args[USDT_ARGS_MAX];
	size_t nr = usdt_args(text, symbol, NULL, args);
	const struct usdt_arg *arg = args;

	if (nr != 1)
		snprintf(line, sizeof(line), "%zu arguments", nr);
	else if (arg->kind == USDT_REFUSED)
		snprintf(line, sizeof(line), "no: %s", arg->refused);
	else if (arg->kind == USDT_REGISTER)
		snprintf(line, sizeof(line), "%s reg %u bytes %u shift %u", usdt_type(arg),
			 arg->reg, arg->reg_size, arg->shift);
	else
		snprintf(line, sizeof(line), "%s %s %d %d*%u %s%lld", usdt_type(arg),
			 kinds[arg->kind], (int8_t)arg->reg, (int8_t)arg->index, arg->scale,
			 arg->is_address ? "@" : "", (long long)arg->number);
	return line;
}

TEST(arguments)
{
	static const struct {
		const char *text, *means;
	} cases[] = {
		{"-4@%edi", "s32 reg 7 bytes 4 shift 0"},
		{"8@%rax", "u64 reg 0 bytes 8 shift 0"},
		{"1@%ah", "u8 reg 0 bytes 1 shift 8"},
		{"1@%bh", "u8 reg 3 bytes 1 shift 8"},
		{"-1@%dil", "s8 reg 7 bytes 1 shift 0"},
		{"2@%r15w", "u16 reg 15 bytes 2 shift 0"},
		{"4@%r8d", "u32 reg 8 bytes 4 shift 0"},
		{"1@%r9b", "u8 reg 9 bytes 1 shift 0"},
		{"-8@%r12", "s64 reg 12 bytes 8 shift 0"},
		{"%ecx", "u32 reg 1 bytes 4 shift 0"},
		{"8@-16(%rbp)", "u64 mem 5 -1*1 -16"},
		{"4@(%r12)", "u32 mem 12 -1*1 0"},
		{"8@0x10(%rsp)", "u64 mem 4 -1*1 16"},
		{"8@8(%rax,%rbx,4)", "u64 mem 0 3*4 8"},
		{"8@(%rax,%rbx)", "u64 mem 0 3*1 0"},
		{"-2@1056(,%rcx,8)", "s16 mem -1 1*8 1056"},
		{"4@table(%rip)", "u32 mem -1 -1*1 @16384"},
		{"-4@40+table(%rip)", "s32 mem -1 -1*1 @16424"},
		{"-4@table+40(%rip)", "s32 mem -1 -1*1 @16424"},
		{"-4@-8+table(%rip)", "s32 mem -1 -1*1 @16376"},
		{"-4@table", "s32 mem -1 -1*1 @16384"},
		{"8@table(,%rax,8)", "u64 mem -1 0*8 @16384"},
		{"-4@$5", "s32 const -1 -1*1 5"},
		{"-4@$-1", "s32 const -1 -1*1 -1"},
		{"8@$18446744073709551615", "u64 const -1 -1*1 -1"},
		{"8f@%xmm0", "no: a floating-point number"},
		{"-4f@-8(%rbp)", "no: a floating-point number"},
		{"8@%xmm0", "no: a register that is not a general one"},
		{"8@%rip", "no: a register that is not a general one"},
		{"8@%r16", "no: a register that is not a general one"},
		{"8@%fs:16(%rax)", "no: memory of the thread (a segment)"},
		{"4@other(%rip)", "no: the file does not say where that variable is"},
		{"8@table@GOTPCREL(%rip)", "no: the file does not say where that variable is"},
		{"8@16(%rip)", "no: not understood"},
		{"8@$table", "no: not understood"},
		{"8@(%eax)", "no: not understood"},
		{"8@(%rax,%rbx,3)", "no: not understood"},
		{"8@(%rax", "no: not understood"},
		{"8@%rax)", "no: not understood"},
		{"3@%rax", "no: not understood"},
		{"16@%rax", "no: not understood"},
		{"8@", "no: not understood"},
		{"@", "no: not understood"},
		{"-", "no: not understood"},
		{"", "0 arguments"},
		{"  ", "0 arguments"},
		{"8@%rdi  -4@%esi", "2 arguments"},
		{"1@$1 1@$2 1@$3 1@$4 1@$5 1@$6 1@$7 1@$8 1@$9 1@$10 1@$11 1@$12 1@$13",
		 "12 arguments"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		CHECK_STR(shown(cases[i].text), cases[i].means);
}

TEST(arguments_cut_off_anywhere)
{
	static const char text[] = "-4@-40+table(%rip) 8@8(%rax,%rbx,4) 4f@%xmm0 1@$0x10";

	for (size_t len = 0; len <= sizeof(text) - 1; len++) {
		_cleanup_free_ char *cut = mem_strndup(text, len);
		struct usdt_arg args[USDT_ARGS_MAX];

		CHECK(cut);
		for (size_t i = usdt_args(cut, symbol, NULL, args); i-- > 0;)
			CHECK(args[i].kind != USDT_REFUSED || args[i].refused);
	}
}

TEST_MAIN()
