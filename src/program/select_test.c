/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "base/mem.h"
#include "base/out.h"
#include "base/test.h"
#include "program/names.h"
#include "program/select.h"

/* Names of two modules; offsets into them are counted below. */
static char program_names[] = "\0main\0helper\0helper_two\0malloc\0free";
static uint32_t program_imports[] = {24, 31};
static char library_names[] = "\0malloc\0__libc_malloc\0calloc\0free\0inner\0lib+0x50";
static uint32_t library_aliases[] = {8};

static struct program_function program_functions[] = {
	{.address = 0x1010, .size = 16, .name = 1},
	{.address = 0x1020, .size = 16, .name = 6},
	{.address = 0x1030, .size = 16, .name = 13},
};
static struct program_function library_functions[] = {
	{.address = 0x10, .size = 16, .name = 1, .nr_aliases = 1, .exported = true},
	{.address = 0x20, .size = 16, .name = 22, .exported = true},
	{.address = 0x30, .size = 16, .name = 29, .exported = true},
	{.address = 0x40, .size = 16, .name = 34},
	{.address = 0x50, .size = 16, .name = 40, .skip = PROGRAM_SKIP_SHORT},
};

static struct program_elf program = {
	.path = (char *)"/usr/bin/tool",
	.name = "tool",
	.text_low = 0x1000,
	.text_high = 0x2000,
	.functions = program_functions,
	.nr_functions = 3,
	.imports = program_imports,
	.nr_imports = 2,
	.names = program_names,
	.inode = 1,
};
static struct program_elf library = {
	.path = (char *)"/usr/lib/libc.so.6",
	.name = "libc.so.6",
	.text_high = 0x1000,
	.functions = library_functions,
	.nr_functions = 5,
	.aliases = library_aliases,
	.nr_aliases = 1,
	.names = library_names,
	.inode = 2,
};

static struct program_patterns patterns(const char *const *texts)
{
	struct program_patterns patterns = {.texts = texts};

	while (texts[patterns.nr])
		patterns.nr++;
	return patterns;
}
#define PATTERNS(...) patterns((const char *const[]){__VA_ARGS__, NULL})

/* "1..|1.2" and so on: the choices of the program's and of the library's functions. */
static const char *chosen(const struct program_filters *filters)
{
	static char text[64];
	struct program_select *select;
	struct err err;
	size_t len = 0;

	if (program_select_new(&select, filters, &err) < 0) {
		snprintf(text, sizeof(text), "%.63s", err.text);
		return text;
	}
	for (int i = 0; i < 2; i++) {
		const struct program_elf *elf = i ? &library : &program;
		size_t nr, counted = 0;
		uint8_t *choices;

		if (program_select_apply(select, elf, &program, &choices, &nr) < 0)
			abort();
		for (size_t j = 0; j < elf->nr_functions; j++) {
			text[len++] = (char)(choices[j] ? '0' + choices[j] : '.');
			counted += choices[j] != 0;
		}
		if (counted != nr)
			abort();
		text[len++] = i ? '\0' : '|';
		mem_free(choices);
	}
	if (program_select_unmatched(select))
		snprintf(text + len - 1, sizeof(text) - len + 1, " %s",
			 program_select_unmatched(select));
	program_select_free(select);
	return text;
}

TEST(the_default)
{
	CHECK_STR(chosen(&(struct program_filters){0}), "111|1.1..");
	CHECK_STR(chosen(&(struct program_filters){.libs = true}), "111|11111");
}

TEST(patterns_of_names)
{
	CHECK_STR(chosen(&(struct program_filters){.trace = PATTERNS("helper")}), ".1.|.....");
	CHECK_STR(chosen(&(struct program_filters){.trace = PATTERNS("helper*")}), ".11|.....");
	CHECK_STR(chosen(&(struct program_filters){.trace = PATTERNS("__libc_*")}), "...|1....");
	CHECK_STR(chosen(&(struct program_filters){.trace = PATTERNS("/alloc$/")}), "...|11...");
	CHECK_STR(chosen(&(struct program_filters){.trace = PATTERNS("/^(main|inner)$/")}),
		  "1..|...1.");
	CHECK_STR(chosen(&(struct program_filters){.trace = PATTERNS("main", "nothing")}),
		  "1..|..... nothing");
}

TEST(patterns_of_libraries)
{
	CHECK_STR(chosen(&(struct program_filters){.trace = PATTERNS(":mod:libc")}), "...|11111");
	CHECK_STR(chosen(&(struct program_filters){.trace = PATTERNS("*@tool")}), "111|.....");
	CHECK_STR(chosen(&(struct program_filters){.trace = PATTERNS("*alloc@libc.so")}),
		  "...|11...");
	CHECK_STR(chosen(&(struct program_filters){.trace = PATTERNS("free:mod:libc.so.6")}),
		  "...|..1..");
	CHECK_STR(chosen(&(struct program_filters){.trace = PATTERNS("free@/usr/lib/*")}),
		  "...|..1..");
	CHECK_STR(chosen(&(struct program_filters){.trace = PATTERNS("/^f/@lib*")}), "...|..1..");
	CHECK_STR(chosen(&(struct program_filters){.trace = PATTERNS("free@lib")}),
		  "...|..... free@lib");
}

TEST(exceptions_and_roots)
{
	CHECK_STR(chosen(&(struct program_filters){.notrace = PATTERNS("helper*")}), "1..|1.1..");
	CHECK_STR(chosen(&(struct program_filters){.graph = PATTERNS("helper")}), "121|1.1..");
	CHECK_STR(chosen(&(struct program_filters){.trace = PATTERNS("m*"),
						   .graph = PATTERNS("calloc"),
						   .notrace = PATTERNS("malloc@libc")}),
		  "1..|.2...");
}

TEST(patterns_that_are_none)
{
	static const char *const wrong[] = {"", "@libc", "f@", "f:mod:", "/(/", ":mod:"};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct program_filters filters = {.trace = {.texts = &wrong[i], .nr = 1}};
		struct program_select *select;
		struct err err = {0};

		CHECK_EQ(program_select_new(&select, &filters, &err), -EINVAL);
		CHECK(err.text[0]);
	}
}

TEST(names)
{
	_cleanup_out_ struct out out = {0};
	struct program_space *space;
	uint32_t first, second, again;

	CHECK_EQ(program_space_new(&space), 0);
	CHECK_EQ(program_space_add(space, &program, &first), 0);
	CHECK_EQ(program_space_add(space, &library, &second), 0);
	CHECK_EQ(program_space_add(space, &program, &again), 0);
	CHECK_EQ(first, again);
	CHECK_EQ(second, first + 0x2000);
	CHECK_EQ(program_space_add_counters(space, &program, &first), 0);
	CHECK_EQ(program_space_add_counters(space, &library, &second), 0);
	CHECK_EQ(second, first + 3);
	program_space_free(space);
	CHECK_EQ(program_names_write(&out, &program, 0x10000, 0, 2), 2);
	CHECK_EQ(program_names_write(&out, &program, 0x10000, 2, 2), 3);
	CHECK_STR(out_cstr(&out), "0000000000010010 t main\t[tool]\n"
				  "0000000000010020 t helper\t[tool]\n"
				  "0000000000010030 t helper_two\t[tool]\n"
				  "0000000000010040 t _end_of_code\t[tool]\n");
}

TEST_MAIN()
