/* SPDX-License-Identifier: MIT */
/*
 * An ld.so.cache in which a library is looked for. What it may name lies in a directory of our own:
 * few libraries, the same on every machine, and those of this one need not be listed in every run.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "symbol/locate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char root[] = "/tmp/locate-fuzz-XXXXXX";
static const char *const folders[] = {"/lib", "/lib/x86_64-linux-gnu"};
/* Libraries are this program under other names: ELF files of this machine. */
static const char *const links[][2] = {
	{"/lib/x86_64-linux-gnu/libc.so.6", "/proc/self/exe"},
	{"/lib/libx.so.1", "/proc/self/exe"},
	{"/lib/liby.so", "/dev/null"},
	{"/cache", NULL}, /* to the input */
};

static void clean_up(void)
{
	char path[128];

	for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
		snprintf(path, sizeof(path), "%s%s", root, links[i][0]);
		unlink(path);
	}
	for (size_t i = ARRAY_SIZE(folders); i-- > 0;) {
		snprintf(path, sizeof(path), "%s%s", root, folders[i]);
		rmdir(path);
	}
	rmdir(root);
}

/* Returns the file that is the cache. */
static int make_root(void)
{
	int fd = memfd_create("cache", MFD_CLOEXEC);
	char path[128], input[64];

	if (fd < 0 || !mkdtemp(root))
		abort();
	atexit(clean_up);
	snprintf(input, sizeof(input), "/proc/self/fd/%d", fd);
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		snprintf(path, sizeof(path), "%s%s", root, folders[i]);
		if (mkdir(path, 0700) < 0)
			abort();
	}
	for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
		snprintf(path, sizeof(path), "%s%s", root, links[i][0]);
		if (symlink(links[i][1] ? links[i][1] : input, path) < 0)
			abort();
	}
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {"libc.so.6", "libc", "libx.so"};
	static int fd = -1;

	if (fd < 0)
		fd = make_root();
	if (ftruncate(fd, 0) < 0 || pwrite(fd, data, size, 0) != (ssize_t)size)
		abort();
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct symbol_places places = {.root = root, .path = "", .cache = "/cache"};
		char *path = NULL;
		struct err err = {0};

		if (symbol_locate(names[i], &places, &path, &err) < 0 && !err.text[0])
			abort();
		mem_free(path);
	}
	return 0;
}
