/* SPDX-License-Identifier: MIT */
/* The functions of this very program, among them some that were made to be difficult. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/fault.h"
#include "base/test.h"
#include "program/functions.h"
#include "program/image.h"

#define NEXT(name, code)                                                                           \
	".type " name ",@function\n" name ":\n.cfi_startproc\n" code "\n.cfi_endproc\n"            \
	".size " name ",.-" name "\n"
#define FUNCTION(name, code) ".p2align 4\n" NEXT(name, code)
#define BARE(name, type, code)                                                                     \
	".p2align 4\n.type " name "," type "\n" name ": " code "\n.size " name ",.-" name "\n"

/* None of them is called; they only have to look like it. */
/* clang-format off */
__asm__(
	".text\n"
	FUNCTION("hard_plain",
		 "push %rbp\n mov %rsp,%rbp\n push %r15\n pop %r15\n pop %rbp\n ret")
	FUNCTION("hard_endbr", "endbr64\n mov %rdi,%rax\n add $3,%rax\n ret")
	FUNCTION("hard_short_padded", "ret")
	FUNCTION("hard_rep_ret", "rep ret")
	FUNCTION("hard_short", "xor %eax,%eax\n ret")
	NEXT("hard_after_short", "mov $1,%eax\n ret")
	NEXT("hard_short_data", "ret")
	".byte 6, 6, 6, 6, 6, 6\n"
	FUNCTION("hard_loop", "1: dec %rdi\n jnz 1b\n nop\n nop\n ret")
	FUNCTION("hard_loop_far",
		 "test %rdi,%rdi\n je 1f\n .skip 200, 0x90\n jmp hard_loop_far\n 1: ret")
	FUNCTION("hard_inbound", "xor %eax,%eax\n 1: inc %rax\n cmp %rdi,%rax\n jne 1b\n ret")
	FUNCTION("hard_inbound_far", "xor %eax,%eax\n hard_label: inc %rax\n inc %rax\n ret")
	FUNCTION("hard_jumps_in", ".skip 300, 0x90\n jmp hard_label")
	/* Between functions, so that nobody knows whether it is code: what could be a jump. */
	FUNCTION("hard_maybe_inbound", "mov $1,%eax\n ret")
	".byte 0xe9\n .long hard_maybe_inbound + 1 - (. + 4)\n"
	/* The same with what is no instruction at all. */
	FUNCTION("hard_not_inbound", "mov $1,%eax\n ret")
	".byte 0xea\n .long hard_not_inbound + 1 - (. + 4)\n"
	FUNCTION("hard_call_first", "call hard_plain\n ret")
	FUNCTION("hard_call_early", "call *%rdi\n inc %rax\n ret")
	FUNCTION("hard_jump", "jmp hard_plain")
	FUNCTION("hard_jcc", "test %rdi,%rdi\n je 1f\n mov $1,%eax\n 1: ret")
	FUNCTION("hard_undecoded", ".byte 6, 6, 6, 6, 6\n ret")
	FUNCTION("hard_unmovable", "hlt\n nop\n nop\n nop\n nop\n ret")
	FUNCTION("hard_plain.cold", "mov $1,%eax\n ret")
	".p2align 4\n .type hard_outer,@function\n hard_outer:\n .cfi_startproc\n"
	" sub $24,%rsp\n .cfi_def_cfa_offset 32\n nop\n"
	" .type hard_inner,@function\n hard_inner: mov $1,%eax\n"
	" add $24,%rsp\n .cfi_def_cfa_offset 8\n ret\n .cfi_endproc\n"
	" .size hard_inner,.-hard_inner\n .size hard_outer,.-hard_outer\n"
	BARE("hard_no_frame", "@function", "mov $1,%eax\n ret")
	".globl hard_ifunc\n.hidden hard_ifunc\n"
	BARE("hard_ifunc", "@gnu_indirect_function", "lea hard_plain(%rip),%rax\n ret")
	BARE("setjmp", "@function", "mov $1,%eax\n ret")
	"hard_alias_label = hard_plain\n.type hard_alias_label,@function\n"
);
/* clang-format on */

static struct program_elf *self(void)
{
	static struct program_elf *elf;
	struct err err;

	if (!elf && program_elf_open(&elf, "/proc/self/exe", &err) < 0) {
		printf("# %s\n", err.text);
		abort();
	}
	return elf;
}

static const struct program_function *find(const char *name)
{
	const struct program_elf *elf = self();

	for (size_t i = 0; i < elf->nr_functions; i++) {
		if (!strcmp(program_name(elf, elf->functions[i].name), name))
			return &elf->functions[i];
		for (size_t j = 0; j < elf->functions[i].nr_aliases; j++) {
			size_t alias = elf->aliases[elf->functions[i].aliases + j];

			if (!strcmp(program_name(elf, (uint32_t)alias), name))
				return &elf->functions[i];
		}
	}
	return NULL;
}

TEST(hard_functions)
{
	static const struct {
		const char *name;
		enum program_skip skip;
	} cases[] = {
		{"hard_plain", PROGRAM_SKIP_NONE},
		{"hard_endbr", PROGRAM_SKIP_NONE},
		{"hard_short_padded", PROGRAM_SKIP_NONE},
		{"hard_rep_ret", PROGRAM_SKIP_NONE},
		{"hard_short", PROGRAM_SKIP_SHORT},
		{"hard_after_short", PROGRAM_SKIP_NONE},
		{"hard_short_data", PROGRAM_SKIP_SHORT},
		{"hard_loop", PROGRAM_SKIP_LOOP},
		{"hard_loop_far", PROGRAM_SKIP_LOOP},
		{"hard_inbound", PROGRAM_SKIP_INBOUND},
		{"hard_inbound_far", PROGRAM_SKIP_INBOUND},
		{"hard_jumps_in", PROGRAM_SKIP_NONE},
		{"hard_maybe_inbound", PROGRAM_SKIP_INBOUND},
		{"hard_not_inbound", PROGRAM_SKIP_NONE},
		{"hard_call_first", PROGRAM_SKIP_NONE},
		{"hard_call_early", PROGRAM_SKIP_CALL},
		{"hard_jump", PROGRAM_SKIP_NONE},
		{"hard_jcc", PROGRAM_SKIP_NONE},
		{"hard_undecoded", PROGRAM_SKIP_UNDECODED},
		{"hard_unmovable", PROGRAM_SKIP_UNMOVABLE},
		{"hard_plain.cold", PROGRAM_SKIP_FRAGMENT},
		{"hard_outer", PROGRAM_SKIP_NONE},
		{"hard_inner", PROGRAM_SKIP_FRAGMENT},
		{"hard_no_frame", PROGRAM_SKIP_NONE},
		{"hard_ifunc", PROGRAM_SKIP_IFUNC},
		{"_start", PROGRAM_SKIP_NEVER},
		{"main", PROGRAM_SKIP_NONE},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct program_function *function = find(cases[i].name);

		if (!function || function->skip != cases[i].skip)
			printf("# %s: %s\n", cases[i].name,
			       function ? program_skip_text(function->skip) : "not found");
		CHECK(function && function->skip == cases[i].skip);
	}
}

TEST(what_is_known_of_them)
{
	const struct program_function *function = find("hard_endbr");

	CHECK(function);
	CHECK_EQ(function->site, 4);
	CHECK_EQ(function->window, 7);
	CHECK_EQ(function->size, 12);
	function = find("hard_short_padded");
	CHECK_EQ(function->window, 1);
	CHECK_EQ(function->size, 1);
	CHECK(find("setjmp") && find("setjmp")->entry_only);
	CHECK(!find("main")->entry_only);
	CHECK(find("hard_alias_label") == find("hard_plain"));
	function = find("main");
	CHECK(program_elf_find(self(), function->address + 3) == function);
	CHECK(program_elf_find(self(), self()->low) == NULL);
	CHECK(!self()->is_library);
	CHECK(self()->nr_imports > 10);
	CHECK(self()->build_id_len == 20 || self()->build_id_len == 0);
}

/* Every function that the C library exports is found under its name, at its address. */
TEST(exported_functions_of_libc)
{
	static const char *const names[] = {"malloc", "printf", "qsort", "open", "dlopen", "fork"};
	void *libc = dlopen("libc.so.6", RTLD_NOW);
	struct program_elf *elf;
	struct err err;
	Dl_info info;

	CHECK(libc && dladdr(dlsym(libc, "malloc"), &info));
	CHECK_EQ(program_elf_open(&elf, info.dli_fname, &err), 0);
	CHECK(elf->is_library);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		uint64_t address = (uint64_t)(uintptr_t)dlsym(libc, names[i]) -
				   (uint64_t)(uintptr_t)info.dli_fbase;
		const struct program_function *function = program_elf_find(elf, address);

		CHECK(function && function->address == address);
		CHECK(function->exported && !function->skip);
		CHECK_STR(program_name(elf, function->name), names[i]);
		CHECK_EQ(function->entry_only, !strcmp(names[i], "dlopen"));
	}
	program_elf_free(elf);
	dlclose(libc);
}

static void expect_refused(const char *data, size_t len, int code, const char *text)
{
	int fd = memfd_create("file", MFD_CLOEXEC);
	struct program_elf *elf;
	struct err err = {0};
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	CHECK(write(fd, data, len) == (ssize_t)len);
	CHECK_EQ(program_elf_open(&elf, path, &err), code);
	if (!strstr(err.text, text))
		printf("# %s\n", err.text);
	CHECK(strstr(err.text, text));
	close(fd);
}

TEST(files_that_cannot_be_traced)
{
	static char data[1 << 20];
	int fd = open("/proc/self/exe", O_RDONLY);
	ssize_t len = read(fd, data, sizeof(data));

	close(fd);
	CHECK(len > 4096);
	expect_refused("#!/bin/sh\n", 10, -EBADMSG, "no program or library");
	data[4] = 1; /* ELFCLASS32 */
	expect_refused(data, (size_t)len, -EOPNOTSUPP, "32-bit");
	data[4] = 2;
	data[18] = (char)183; /* EM_AARCH64 */
	expect_refused(data, (size_t)len, -EOPNOTSUPP, "another processor");
	data[18] = 62;
	data[16] = 1; /* ET_REL */
	expect_refused(data, (size_t)len, -EBADMSG, "no program or library");
	data[16] = 3;
	data[56] = 0; /* no segments */
	expect_refused(data, (size_t)len, -EOPNOTSUPP, "static");
}

TEST(failures_while_opening)
{
	const enum fault_what whats[] = {FAULT_MEM, FAULT_IO, FAULT_SHORT};

	for (size_t i = 0; i < sizeof(whats) / sizeof(*whats); i++) {
		_cleanup_(fault_done) struct fault_sweep sweep = {.what = whats[i], .code = -EIO};

		while (fault_next(&sweep)) {
			struct program_elf *elf = NULL;
			struct err err = {0};
			int r = program_elf_open(&elf, "/proc/self/exe", &err);

			CHECK(r == 0 || err.text[0]);
			CHECK(r == 0 || !elf);
			program_elf_free(elf);
		}
	}
}

TEST(failures_while_building)
{
	const enum fault_what whats[] = {FAULT_MEM, FAULT_IO, FAULT_SHORT};
	struct program_image_options options = {.arena = self()->high + (1u << 20)};

	for (size_t i = 0; i < sizeof(whats) / sizeof(*whats); i++) {
		_cleanup_(fault_done) struct fault_sweep sweep = {.what = whats[i],
								  .code = -ENOSPC};

		while (fault_next(&sweep)) {
			struct program_image image = PROGRAM_IMAGE_INIT;
			struct err err = {0};
			int r = program_image_build(&image, self(), &options, &err);

			CHECK(r == 0 || (err.text[0] && image.fd < 0));
			CHECK(r < 0 || image.nr_patched + image.nr_skipped == self()->nr_functions);
			program_image_done(&image);
		}
	}
}

/* Where the jump at an address leads; 0: there is none. */
static uint64_t jump_of(const struct program_image *image, uint64_t address)
{
	for (uint32_t i = 0; i < image->header.nr_runs; i++) {
		off_t at = (off_t)(sizeof(image->header) + i * sizeof(struct program_image_run));
		struct program_image_run run;
		uint8_t jump[5];

		if (pread(image->fd, &run, sizeof(run), at) != (ssize_t)sizeof(run) ||
		    address - run.address >= run.length)
			continue;
		at = (off_t)(run.offset + (address - run.address));
		if (pread(image->fd, jump, sizeof(jump), at) != (ssize_t)sizeof(jump) ||
		    jump[0] != 0xe9)
			return 0;
		return address + sizeof(jump) + (uint64_t)(int32_t)load_u32(jump + 1, false);
	}
	return 0;
}

/* Functions far from one another in a large library: no more runs than the runtime takes. */
TEST(a_scattered_choice)
{
	enum {
		NR = 200,
		EVERY = 96 << 10
	};
	_cleanup_free_ uint8_t *code = mem_zalloc(NR * EVERY);
	struct program_function functions[NR] = {0};
	struct program_text text = {.address = 0x1000, .bytes = NR * EVERY, .code = code};
	const struct program_elf elf = {
		.path = (char *)"scattered",
		.low = text.address,
		.high = text.address + text.bytes,
		.text_low = text.address,
		.text_high = text.address + text.bytes,
		.texts = &text,
		.nr_texts = 1,
		.functions = functions,
		.nr_functions = NR,
	};
	struct program_image_options options = {.arena = elf.high + (1u << 20)};
	struct program_image image;
	struct err err;

	for (size_t i = 0; code && i < NR; i++) {
		/* The jumps of some lie on two pages. */
		functions[i] = (struct program_function){
			.address = text.address + i * EVERY + (i % 2 ? 0 : 4093),
			.size = 16,
			.window = 5,
		};
		memset(code + (functions[i].address - text.address), 0x90, 16);
	}
	CHECK_EQ(program_image_build(&image, &elf, &options, &err), 0);
	CHECK_EQ(image.nr_patched, NR);
	CHECK(image.header.nr_runs > 0 && image.header.nr_runs <= PROGRAM_IMAGE_RUNS_MAX);
	for (size_t i = 0; i < NR; i++)
		CHECK(jump_of(&image, functions[i].address) -
			      (options.arena + PROGRAM_WORDS_BYTES) <
		      image.header.code_bytes);
	program_image_done(&image);
}

TEST(an_arena_out_of_reach)
{
	struct program_image_options options = {.arena = self()->high + (3ull << 30)};
	struct program_image image;
	struct err err;

	CHECK_EQ(program_image_build(&image, self(), &options, &err), -ERANGE);
	options.arena = self()->low - (3ull << 30);
	CHECK_EQ(program_image_build(&image, self(), &options, &err), -ERANGE);
	options.arena = self()->low - (1ull << 30);
	CHECK_EQ(program_image_build(&image, self(), &options, &err), 0);
	program_image_done(&image);
}

TEST_MAIN()
