/* SPDX-License-Identifier: MIT */
/* Functions by name, in made-up files of every kind and in this process's own libraries. */
#include "base/test.h"

#include <dlfcn.h>
#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "symbol/elf.h"
#include "symbol/elf_build_test.h"
#include "symbol/locate.h"

#define CODE BUILD_CODE_ADDRESS

static const struct build_symbol symbols[] = {
	{"alpha", CODE + 0x10, STT_FUNC},
	{"alpha_beta", CODE + 0x20, STT_FUNC},
	{"label", CODE + 0x21, STT_NOTYPE},
	{"cleanup", CODE + 0x30, STT_FUNC},
	{"cleanup", CODE + 0x40, STT_FUNC},
	{"same", CODE + 0x50, STT_FUNC},
	{"same", CODE + 0x50, STT_FUNC},
	{"fast", CODE + 0x60, STT_GNU_IFUNC},
	{"imported", 0, STT_FUNC},
	{"table", CODE + 0x70, STT_OBJECT},
	{"far_away", 0x900000, STT_FUNC},
	{"versioned@OLD_1", CODE + 0x80, STT_FUNC},
	{"versioned@@NEW_2", CODE + 0x90, STT_FUNC},
	{"last", CODE + BUILD_CODE_SIZE - 1, STT_FUNC},
};

/* As symbol_function_find in a file of these bytes. */
static int find_in(const struct build *build, size_t len, const char *name,
		   struct symbol_function *ret_function, struct err *err)
{
	int fd = memfd_create("elf", 0), r;
	char path[64];

	if (fd < 0 || write(fd, build->data, len) != (ssize_t)len)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	r = symbol_function_find(path, name, ret_function, err);
	close(fd);
	return r;
}

TEST(every_class_and_byte_order)
{
	for (unsigned int kind = 0; kind < 4; kind++) {
		struct build build = build_elf(kind & 1, kind & 2, kind & 1 ? EM_PPC64 : EM_PPC,
					       symbols, ARRAY_SIZE(symbols), NULL);
		struct symbol_function found = {0};
		struct err err = {0};
		int r = find_in(&build, build.len, "alpha", &found, &err);
		int label = r < 0 ? r : find_in(&build, build.len, "label", &found, &err);

		free(build.data);
		if (r < 0 || label < 0)
			printf("# %s\n", err.text);
		CHECK_EQ(r, 0);
		CHECK_EQ(label, 0);
		CHECK_EQ(found.offset, BUILD_CODE_OFFSET + 0x21);
		CHECK_EQ(found.address, CODE + 0x21);
		CHECK_EQ(found.size, 16);
	}
}

TEST(which_function_a_name_means)
{
	static const struct {
		const char *name;
		int code;
		uint64_t offset; /* below the code's first byte */
		const char *says;
	} cases[] = {
		{"alpha", 0, 0x10, NULL},
		{"alpha_beta", 0, 0x20, NULL},
		{"same", 0, 0x50, NULL},
		{"versioned", 0, 0x90, NULL},
		{"versioned@OLD_1", 0, 0x80, NULL},
		{"versioned@@NEW_2", 0, 0x90, NULL},
		{"last", 0, BUILD_CODE_SIZE - 1, NULL},
		{"versioned@NONE", -ENOENT, 0, "has no function 'versioned'"},
		{"cleanup", -ENOTUNIQ, 0, ":0x130, :0x140"},
		{"fast", -EOPNOTSUPP, 0, "IFUNC"},
		{"imported", -ENOENT, 0, "name the library"},
		{"table", -ENOENT, 0, "is data"},
		{"far_away", -ENOENT, 0, "is data"},
		{"alhpa", -ENOENT, 0, "did you mean 'alpha'?"},
		{"zzzzzz", -ENOENT, 0, "PATH:0xOFFSET"},
		{"", -ENOENT, 0, "has no function"},
		{"@", -ENOENT, 0, "has no function"},
	};
	struct build build = build_elf(true, false, EM_X86_64, symbols, ARRAY_SIZE(symbols), NULL);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct symbol_function found = {0};
		struct err err = {0};
		int r = find_in(&build, build.len, cases[i].name, &found, &err);
		bool right = r == cases[i].code &&
			     (r < 0 ? strstr(err.text, cases[i].says) != NULL
				    : found.offset == BUILD_CODE_OFFSET + cases[i].offset);

		if (!right)
			printf("# '%s': %d, offset 0x%llx, %s\n", cases[i].name, r,
			       (unsigned long long)found.offset, err.text);
		test_failed |= !right;
	}
	free(build.data);
}

/* The lowest bit of an arm function's address is no part of it. */
TEST(thumb)
{
	struct build build = build_elf(false, false, EM_ARM, symbols, ARRAY_SIZE(symbols), NULL);
	struct symbol_function found = {0};
	struct err err = {0};
	int r = find_in(&build, build.len, "label", &found, &err);

	free(build.data);
	CHECK_EQ(r, 0);
	CHECK_EQ(found.address, CODE + 0x20);
}

TEST(compressed_symbols)
{
	struct build_symbol hidden_one = {"secret", CODE + 0x44, STT_FUNC};
	struct build hidden = build_elf(true, false, EM_X86_64, &hidden_one, 1, NULL);
	struct build build =
		build_elf(true, false, EM_X86_64, symbols, ARRAY_SIZE(symbols), &hidden);
	struct symbol_function found = {0};
	struct err err = {0};
	int r = find_in(&build, build.len, "secret", &found, &err);
	int near = find_in(&build, build.len, "secert", &found, &err);

	free(hidden.data);
	free(build.data);
	CHECK_EQ(r, 0);
	CHECK_EQ(found.offset, BUILD_CODE_OFFSET + 0x44);
	CHECK_EQ(near, -ENOENT);
	CHECK(strstr(err.text, "did you mean 'secret'?"));
}

/* Cut anywhere, or with any one byte wrong, it is an error or an answer. */
TEST(damaged_files)
{
	struct build_symbol hidden_one = {"secret", CODE + 0x44, STT_FUNC};
	struct build hidden = build_elf(true, false, EM_X86_64, &hidden_one, 1, NULL);
	struct build build = build_elf(true, false, EM_X86_64, symbols, 4, &hidden);
	struct symbol_function found;
	struct err err = {0};
	int ok = 0;

	for (size_t len = 0; len < build.len; len++)
		ok += find_in(&build, len, "secret", &found, &err) == 0;
	for (size_t at = 0; at < build.len; at++) {
		uint8_t byte = build.data[at];

		build.data[at] ^= 0xff;
		ok += find_in(&build, build.len, "secret", &found, &err) == 0;
		build.data[at] = byte;
	}
	free(hidden.data);
	free(build.data);
	CHECK(ok > 100);
	CHECK(err.text[0]);
}

TEST(what_is_no_elf_file)
{
	struct build script = {.data = (uint8_t *)"#!/bin/sh\n", .len = 10};
	struct symbol_function found;
	struct err err = {0};

	CHECK_EQ(find_in(&script, script.len, "main", &found, &err), -EBADMSG);
	CHECK(strstr(err.text, "name its interpreter"));
	CHECK_EQ(symbol_function_find("/tmp", "main", &found, &err), -EBADMSG);
	CHECK_EQ(symbol_function_find("/nonexistent/x", "main", &found, &err), -ENOENT);
	CHECK_EQ(symbol_function_find("/dev/null", "main", &found, &err), -EBADMSG);
}

int test_function_of_this_program(void);
__attribute__((noinline)) int test_function_of_this_program(void)
{
	return (int)getpid();
}

TEST(own_program)
{
	struct symbol_function found = {0};
	struct err err = {0};
	uint64_t place = 0;
	Dl_info info;
	int r = symbol_function_find("/proc/self/exe", "test_function_of_this_program", &found,
				     &err);

	CHECK(test_function_of_this_program() > 0);
	if (r < 0)
		printf("# %s\n", err.text);
	CHECK_EQ(r, 0);
	CHECK(dladdr((void *)(uintptr_t)test_function_of_this_program, &info));
	CHECK_EQ((uintptr_t)test_function_of_this_program - (uintptr_t)info.dli_fbase,
		 found.address);
	CHECK_EQ(symbol_function_place("/proc/self/exe", "test_function_of_this_program", 1, &place,
				       &err),
		 0);
	CHECK_EQ(place, found.offset + 1);
	CHECK_EQ(symbol_function_place("/proc/self/exe", "test_function_of_this_program",
				       found.size, &place, &err),
		 -EINVAL);
}

/* What the dynamic loader says of its libraries is what we find in the files. */
TEST(as_the_loader_finds_them)
{
	static const char *const names[] = {"qsort_r", "fopen", "pthread_create", "getppid"};
	void *libc = dlopen("libc.so.6", RTLD_NOW);
	_cleanup_free_ char *path = NULL;
	struct err err = {0};

	if (!libc)
		SKIP("there is no libc.so.6 here");
	if (symbol_locate("libc", NULL, &path, &err) < 0)
		SKIP("there is no libc below /lib here");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		void *address = dlsym(libc, names[i]);
		struct symbol_function found = {0};
		Dl_info info;
		int r = symbol_function_find(path, names[i], &found, &err);

		if (r < 0)
			printf("# %s\n", err.text);
		CHECK(address && dladdr(address, &info) && r == 0);
		CHECK_EQ((uintptr_t)address - (uintptr_t)info.dli_fbase, found.address);
	}
}

TEST_MAIN()
